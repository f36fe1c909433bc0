package main

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// socketProbes are of what only real sockets show: addresses and TLS.
func socketProbes() []probe {
	const sv = "servers/server/properties/"
	local := page{"server": "<bind-address>127.0.0.1</bind-address>"}
	anyPort := page{"server": "<port>0</port>"}
	free := freePort()
	one, two := certificate("one"), certificate("two")
	secured := func(cert, key pair) page {
		return local.and(anyPort).and(page{"server": "<certificate-file>cert.pem</certificate-file><private-key-file>key.pem</private-key-file>", "cert.pem": cert.certificate, "key.pem": key.key})
	}
	return []probe{
		{setting: sv + "port", real: true, common: local, add: page{"server": "<port>" + free + "</port>"}, see: port, want: seen("8080", free)},
		{setting: sv + "bind-address", real: true, common: anyPort, add: local, see: reachable, want: seen("localhost", "127.0.0.1")},
		{setting: sv + "certificate-file", real: true, common: secured(one, one), instead: secured(two, two), see: shown, want: seen("one", "two")},
		{setting: sv + "certificate-file", real: true, common: local.and(anyPort), instead: secured(one, one), see: shown, want: seen("no TLS", "one")},
		{setting: sv + "private-key-file", real: true, common: secured(one, one), instead: secured(one, two), see: shown, want: seen("one", startsNot)},
	}
}

// freePort is one that was free a moment ago. If it is not any more, the complaint that it is taken names it.
func freePort() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}

var taken = regexp.MustCompile(`listen tcp 127\.0\.0\.1:(\d+): `)

// port is the port that the server listens on, or tried to.
func port(w *world) string {
	if w.starts() == startsNot {
		if m := taken.FindStringSubmatch(w.err.Error()); m != nil {
			return m[1]
		}
		return w.err.Error()
	}
	return w.announced().Port()
}

// announced is where the server says that its page is.
func (w *world) announced() *url.URL {
	text, _, _ := strings.Cut(strings.TrimPrefix(w.out.String(), "Sluice is ready: "), "\n")
	u, err := url.Parse(text)
	if err != nil {
		w.t.Fatal(err)
	}
	return u
}

// reachable says where the server says that it is, and sees to it that other addresses of this machine lead there, or do not, accordingly.
func reachable(w *world) string {
	at := w.announced()
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		w.t.Fatal(err)
	}
	for _, a := range addrs {
		ip, _, err := net.ParseCIDR(a.String())
		if err != nil || ip.IsLinkLocalUnicast() {
			continue
		}
		conn, err := net.DialTimeout("tcp", net.JoinHostPort(ip.String(), at.Port()), 5*time.Second)
		if err == nil {
			conn.Close()
		}
		if reached := err == nil; reached != (at.Hostname() == "localhost" || ip.String() == "127.0.0.1") {
			return fmt.Sprintf("%s, and at %s: %v", at.Hostname(), ip, err)
		}
	}
	return at.Hostname()
}

// shown says whose certificate the listener shows.
func shown(w *world) string {
	if w.starts() == startsNot {
		return startsNot
	}
	at := w.announced()
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}} // any certificate: its name is what is looked at
	defer transport.CloseIdleConnections()
	resp, err := (&http.Client{Transport: transport}).Get(at.String() + "config.json")
	if err != nil {
		w.t.Fatal(err)
	}
	resp.Body.Close()
	if resp.TLS == nil {
		return "no TLS"
	}
	return resp.TLS.PeerCertificates[0].Subject.CommonName
}

// pair is a certificate and its key, in PEM.
type pair struct{ certificate, key string }

func certificate(name string) pair {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	return pair{
		string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})),
	}
}
