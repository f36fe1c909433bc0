package flexsession

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
)

// randomText is n random bytes in base64url. 18 bytes cannot be guessed; 9 are enough to tell log entries apart.
func randomText(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(b)
}

// NewID makes an unguessable id for a message or a ticket.
func NewID() string { return randomText(15) }

// secretHash is how a client's secret is stored, so that a memory dump or a log hands out nobody's client.
type secretHash [sha256.Size]byte

func hashSecret(secret string) secretHash { return sha256.Sum256([]byte(secret)) }

func (h secretHash) matches(secret string) bool {
	got := hashSecret(secret)
	return subtle.ConstantTimeCompare(h[:], got[:]) == 1
}
