package server_test

import (
	"bufio"
	"bytes"
	"context"
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
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"sluice/endpoint/endpointtest"
	"sluice/endpoint/server"
)

// certificate writes a certificate for 127.0.0.1 and its key, and returns the pool that trusts it.
func certificate(t *testing.T) (certFile, keyFile string, roots *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "sluice"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	roots = x509.NewCertPool()
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	roots.AppendCertsFromPEM(cert)
	certFile = writeFile(t, "cert.pem", cert)
	keyFile = writeFile(t, "key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
	return certFile, keyFile, roots
}

func writeFile(t *testing.T, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// secureServer is a server behind TLS, and a client of it that speaks HTTP/1.1 or HTTP/2.
type secureServer struct {
	t    *testing.T
	base string // without its scheme
	http *http.Client
	tls  *tls.Config
}

func startSecure(t *testing.T, http2 bool) *secureServer {
	t.Helper()
	certFile, keyFile, roots := certificate(t)
	s := startReal(t, func(o *server.Options) {
		o.Listeners[0].CertificateFile, o.Listeners[0].PrivateKeyFile = certFile, keyFile
		o.Passwords = passwordsOf(t, "alice", "wonderland", "friends")
	})
	config := &tls.Config{RootCAs: roots}
	transport := &http.Transport{TLSClientConfig: config, ForceAttemptHTTP2: http2}
	t.Cleanup(transport.CloseIdleConnections)
	return &secureServer{t, s.Addr("main").String(), &http.Client{Transport: transport, Timeout: 20 * time.Second}, config}
}

// post posts lines and returns the answer, whose body ends with the test.
func (s *secureServer) post(path, token string, lines ...string) *http.Response {
	s.t.Helper()
	resp, err := s.try(path, token, lines...)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp
}

func (s *secureServer) try(path, token string, lines ...string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(s.t.Context(), "POST", "https://"+s.base+path, strings.NewReader(strings.Join(lines, "\n")))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	resp, err := s.http.Do(r)
	if err == nil {
		s.t.Cleanup(func() { resp.Body.Close() })
	}
	return resp, err
}

// connect makes a client that has subscribed to chat, and returns its token.
func (s *secureServer) connect() (token string, resp *http.Response) {
	s.t.Helper()
	resp = s.post("/longpoll", "", `{"type":"command","operation":"client_ping","messageId":"c1","headers":{"DSId":"nil"}}`,
		`{"type":"command","operation":"subscribe","messageId":"s1","seq":1,"destination":"chat"}`)
	connected := &player{vars: map[string]string{}}
	body := bufio.NewReader(resp.Body)
	line, _ := body.ReadString('\n')
	if err := connected.matches(`{"type":"acknowledge","headers":{"DSId":"$id","DSSecret":"$secret"}}`, line); err != nil {
		s.t.Fatalf("connect: %v: %s", err, line)
	}
	return connected.vars["$id"] + "." + connected.vars["$secret"], resp
}

// wantLines reads lines until the last of those wanted, which are given by a part of them and come in their order.
func wantLines(t *testing.T, r *bufio.Reader, parts ...string) {
	t.Helper()
	for _, part := range parts {
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				t.Fatalf("%v while waiting for %s", err, part)
			}
			if strings.Contains(line, part) {
				break
			}
		}
	}
}

// eachHTTP runs f over both versions.
func eachHTTP(t *testing.T, f func(t *testing.T, s *secureServer)) {
	for version, http2 := range map[int]bool{1: false, 2: true} {
		t.Run(fmt.Sprintf("HTTP%d", version), func(t *testing.T) {
			s := startSecure(t, http2)
			if resp := s.post("/longpoll", ""); resp.ProtoMajor != version {
				t.Fatalf("the server speaks %s", resp.Proto)
			}
			f(t, s)
		})
	}
}

func TestTLSStream(t *testing.T) {
	eachHTTP(t, func(t *testing.T, s *secureServer) {
		token, _ := s.connect()
		stream := bufio.NewReader(s.post("/streaming?command=open", token, `{"type":"control","operation":"attach","attach":1,"have":0}`).Body)
		wantLines(t, stream, `"operation":"open"`, `"operation":"attached"`, `"subscription-state"`)
		for i := range 50 {
			body := fmt.Sprintf(`"number %d"`, i)
			s.post("/longpoll", token, fmt.Sprintf(`{"type":"async","seq":%d,"destination":"chat","body":%s}`, i+2, body)).Body.Close()
			wantLines(t, stream, body)
		}
		s.post("/longpoll", token, `{"type":"command","operation":"disconnect","seq":52}`)
		wantLines(t, stream, `"code":4000`)
		if rest, err := stream.ReadString('\n'); err == nil {
			t.Errorf("behind the end: %s", rest)
		}
	})
}

func TestTLSPoll(t *testing.T) {
	eachHTTP(t, func(t *testing.T, s *secureServer) {
		token, _ := s.connect()
		poll := func(have int) (*http.Response, error) {
			return s.try("/longpoll", token, fmt.Sprintf(`{"type":"command","operation":"poll","messageId":"p","attach":%d,"have":%d}`, have+1, have))
		}
		first, err := poll(0)
		if err != nil {
			t.Fatal(err)
		}
		wantLines(t, bufio.NewReader(first.Body), `"attached"`, `"subscription-state"`, `"DSPollWait"`)
		for i := 1; i < 10; i++ {
			answered := make(chan *http.Response, 1)
			go func() { // it may be held, or find the message there
				defer close(answered)
				if resp, err := poll(i); err != nil {
					t.Error(err)
				} else {
					answered <- resp
				}
			}()
			s.post("/longpoll", token, fmt.Sprintf(`{"type":"async","seq":%d,"destination":"chat","body":"number %d"}`, i+1, i))
			resp, ok := <-answered
			if !ok {
				return
			}
			wantLines(t, bufio.NewReader(resp.Body), `"attached"`, fmt.Sprintf(`"number %d"`, i), `"DSPollWait"`)
		}
	})
}

func TestTLSWebSocket(t *testing.T) {
	s := startSecure(t, false)
	ws, _, err := websocket.Dial(t.Context(), "wss://"+s.base+"/websocket", &websocket.DialOptions{HTTPClient: s.http})
	if err != nil {
		t.Fatal(err)
	}
	defer ws.CloseNow()
	err = ws.Write(t.Context(), websocket.MessageText, []byte(`{"type":"command","operation":"client_ping","headers":{"DSId":"nil"},"attach":1}
{"type":"command","operation":"subscribe","seq":1,"destination":"chat"}
{"type":"async","seq":2,"destination":"chat","body":"through TLS"}`))
	if err != nil {
		t.Fatal(err)
	}
	var all bytes.Buffer
	for !strings.Contains(all.String(), "through TLS") {
		_, data, err := ws.Read(t.Context())
		if err != nil {
			t.Fatalf("%v after %s", err, all.String())
		}
		all.Write(data)
	}
	if err := ws.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Errorf("close: %v", err)
	}
}

func TestTLSCookieIsSecure(t *testing.T) {
	s := startSecure(t, true)
	_, resp := s.connect()
	cookies := resp.Cookies()
	if len(cookies) != 1 || !cookies[0].Secure || !cookies[0].HttpOnly || cookies[0].SameSite != http.SameSiteLaxMode {
		t.Errorf("%v", resp.Header["Set-Cookie"])
	}
}

// A peer that speaks no TLS, or trusts another, gets nothing, and nobody else suffers.
func TestTLSRefusesOthers(t *testing.T) {
	s := startSecure(t, true)
	plain := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := plain.Get("http://" + s.base + "/config.json")
	if err == nil {
		resp.Body.Close()
		if resp.StatusCode != http.StatusBadRequest {
			t.Errorf("without TLS: %d", resp.StatusCode)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	d := tls.Dialer{Config: &tls.Config{ServerName: "127.0.0.1", MaxVersion: tls.VersionTLS11, InsecureSkipVerify: true}}
	if c, err := d.DialContext(ctx, "tcp", s.base); err == nil {
		c.Close()
		t.Error("TLS 1.1 was taken")
	}
	s.connect()
}

// A listener whose certificate cannot be used is named, and so is the file; all of them at once.
func TestBadCertificates(t *testing.T) {
	cert, key, _ := certificate(t)
	_, otherKey, _ := certificate(t)
	empty := writeFile(t, "empty.pem", nil)
	for name, files := range map[string][2]string{
		"certificate missing":      {filepath.Join(t.TempDir(), "none.pem"), key},
		"key missing":              {cert, filepath.Join(t.TempDir(), "none.pem")},
		"no key named":             {cert, ""},
		"no certificate named":     {"", key},
		"empty file":               {empty, key},
		"key of another":           {cert, otherKey},
		"key as the certificate":   {key, key},
		"certificate as the key":   {cert, cert},
		"a directory as the files": {t.TempDir(), t.TempDir()},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := server.New(endpointtest.Options(func(o *server.Options) {
				o.Listeners = []server.Listener{
					{ID: "plain", Addr: "127.0.0.1:0"},
					{ID: "front door", CertificateFile: files[0], PrivateKeyFile: files[1]},
					{ID: "back door", CertificateFile: files[0], PrivateKeyFile: files[1]},
				}
			}))
			if err == nil || !strings.Contains(err.Error(), `listener "front door": certificate: `) || !strings.Contains(err.Error(), `listener "back door"`) {
				t.Errorf("New: %v", err)
			}
			if err != nil && strings.Contains(err.Error(), `"plain"`) {
				t.Errorf("New blames a listener without TLS: %v", err)
			}
		})
	}
}
