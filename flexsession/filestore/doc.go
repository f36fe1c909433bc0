// Package filestore keeps HTTP sessions in a file, so that they outlive the process: a store for alexedwards/scs on bbolt, one memory-mapped B+tree kept up by the etcd project.
//
// A session is what scs commits under a cookie's token, in the form of [Codec]. It is kept under the inner id that stands in it and has one token at a time: a commit under another token replaces the
// first in the same transaction, so that a crash in the middle of a login leaves the old cookie or the new one, never both. Of a token only its SHA-256 is kept: who reads
// the file cannot take over a session.
//
// What it promises. A write that has returned nil is on disk (fsync), whatever becomes of the process and the machine after that. Writes that come while another is being committed wait for it
// and then share one transaction and one fsync; nothing waits for company. Reads block on no write. All methods may be called from any goroutine.
//
// How long a session has been idle is known after a restart, too. [Store.Settle], at an orderly end, writes it down. Without one, after a crash, nobody knows who was active last, so everybody counts as
// active until shortly after the last [Store.Alive]: a session may live longer for that, by at most its whole timeout, and never shorter.
package filestore
