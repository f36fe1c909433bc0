package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"sluice/cmd/internal/config"
)

// certify writes a certificate for 127.0.0.1 and its key.
func certify(t *testing.T, dir, name string) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	about := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, about, about, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	write := func(name, kind string, bytes []byte) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes}), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	return write(name+".crt", "CERTIFICATE", der), write(name+".key", "PRIVATE KEY", secret)
}

// replaced is the shipped configuration with one part replaced, in a file.
func replaced(t *testing.T, dir, old, with string) string {
	t.Helper()
	text := string(config.Default())
	if !strings.Contains(text, old) {
		t.Fatalf("the shipped configuration has no %s", old)
	}
	file := filepath.Join(dir, "services-config.xml")
	if err := os.WriteFile(file, []byte(strings.Replace(text, old, with, 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// What serve refuses, check finds wrong, in the same words, and counts.
func TestCheckAndServeAgree(t *testing.T) {
	dir := t.TempDir()
	certificate, _ := certify(t, dir, "one")
	_, key := certify(t, dir, "other")
	passwords := filepath.Join(dir, "passwords")
	if err := os.WriteFile(passwords, []byte("ann:secret\n# fine\nbob\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const port = "<port>8080</port>"
	empty := filepath.Join(dir, "empty.xml")
	if err := os.WriteFile(empty, []byte("<services-config/>"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		file  func() string
		wrong []string
		count string
	}{
		"a bad number": {func() string { return replaced(t, dir, port, "<port>many</port>") }, []string{"many"}, " 1 error"},
		"a foreign key": {func() string {
			return replaced(t, dir, port, port+"<certificate-file>"+certificate+"</certificate-file><private-key-file>"+key+"</private-key-file>")
		}, []string{`listener "public": certificate: tls: private key does not match public key`}, " 1 error"},
		"bad passwords": {func() string {
			return replaced(t, dir, "<servers>", "<security><password-file>passwords</password-file></security><servers>")
		}, []string{"/password-file: " + passwords + ":1: user \"ann\"", "/password-file: " + passwords + ":3: "}, " 2 errors"},
		"no passwords": {func() string {
			return replaced(t, dir, "<servers>", "<security><password-file>nobody</password-file></security><servers>")
		}, []string{"cannot read the file"}, " 1 error"},
		"nothing": {func() string { return empty }, []string{"nothing to serve"}, " 1 error"},
	} {
		t.Run(name, func(t *testing.T) {
			file := c.file()
			code, out, errors := call(t, "", "check", file)
			if code != 1 || errors != "" || !strings.HasPrefix(out, "wrong\n") || !strings.Contains(out, c.count+"; wrong: "+file) {
				t.Errorf("check: exit %d\n%s%s", code, out, errors)
			}
			wrong, _, _ := strings.Cut(out, "\nhonoured\n")
			wrong, _, _ = strings.Cut(wrong, "\nworth knowing\n")
			_, wrong, _ = strings.Cut(wrong, "wrong\n")
			for _, want := range c.wrong {
				if !strings.Contains(wrong, want) {
					t.Errorf("check: no %q in\n%s", want, wrong)
				}
				if strings.Contains(out, "secret") {
					t.Errorf("check tells a secret:\n%s", out)
				}
			}
			code, _, errors = call(t, "", "serve", "--config", file, "--listen", "127.0.0.1:0")
			for line := range strings.Lines(wrong) {
				if !strings.HasPrefix(line, "  ") {
					break
				}
				if code != 1 || !strings.Contains(errors, strings.TrimSpace(line)+"\n") {
					t.Errorf("check: %sserve: exit %d\n%s", line, code, errors)
				}
			}
		})
	}
	good := replaced(t, dir, port, port)
	if code, out, errors := call(t, "", "check", good); code != 0 || !strings.HasPrefix(out, "honoured") || !strings.Contains(out, " 0 errors\n") || errors != "" {
		t.Errorf("the shipped file: exit %d\n%s%s", code, out, errors)
	}
}

// More connections than the process may have descriptors are no mistake, and worth knowing: serve logs what check tells.
func TestMoreConnectionsThanDescriptors(t *testing.T) {
	const want = "max-connections allows 2147483647 connections on all servers, but a process may have only "
	file := replaced(t, t.TempDir(), "<port>8080</port>", "<port>0</port><max-connections>2147483647</max-connections>")
	if code, out, _ := call(t, "", "check", file); code != 0 || !strings.Contains(out, "  "+file+": "+want) || !strings.Contains(out, " 1 warning, 0 errors\n") {
		t.Errorf("check: exit %d\n%s", code, out)
	}
	if _, out, _ := call(t, "", "check", replaced(t, t.TempDir(), "<port>8080</port>", "<max-connections>1</max-connections>")); strings.Contains(out, "descriptors") {
		t.Errorf("check of one connection:\n%s", out)
	}
	p := startProcess(t, "--config", file, "--internal", "127.0.0.1:0")
	p.wantLog(`"message":"` + want)
	p.signal(syscall.SIGTERM)
	if code, rest := p.ended(); code != 0 {
		t.Errorf("serve: exit %d\n%s", code, rest)
	}
}
