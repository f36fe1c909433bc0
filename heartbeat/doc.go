// Package heartbeat keeps every timer of the server on one timing wheel: heartbeats, idle and session timeouts, write timeouts, parked polls.
//
// # Why a wheel
//
// A server with 100,000 sessions has several timers for each, nearly all of which are put off again and again and never fire. A time.Timer
// or a goroutine for each of them costs memory while idle, and a heap operation with every change. A wheel is a ring of lists, one for each
// tick: arming and stopping are a link into a list and out of it, whatever the number of timers, and a [Timer] is a field of the
// object it belongs to, so that nothing is allocated. Varghese and Lauck describe it ("Hashed and Hierarchical Timing Wheels", SOSP 1987); this
// is their scheme 6, hashed with one turn of 1,024 ticks: a timer that is further away is looked at once a turn.
//
// The price is precision: a timer fires at a multiple of the tick, never early and, on a wheel that is not held up, at most two ticks late.
//
// [Idle] makes the frequent case cheaper still. "Nothing has happened for a while" needs no change of the wheel when something happens: [Idle.Touch]
// notes the time in one atomic store, and the wheel, when it gets there, puts the timer off by what is left.
//
// # What it promises
//
// All functions run on the goroutine of [Wheel.Run], one at a time, those that are due together in the order of their deadlines (of an
// Idle: the one for which the wheel last put it off). They must not block: hand work on. A function may schedule and stop any timer, its own too. No lock is held while one runs, and a panic
// in one is reported and goes no further.
//
// Time is the monotonic clock: setting the machine's clock changes nothing. After a pause (a suspended machine, a stopped process) everything that
// has become due fires once, in order; the wheel does not live through the ticks it missed. After more than a second of it the wheel waits half a second first, so that what lay in the sockets meanwhile is read, and touches
// its timers, before anybody is judged by the time that has passed. Whether a suspension counts as time is the
// platform's monotonic clock to say; on Linux it does not.
//
// The wheel does not tick. It sleeps until the next list that holds a timer, and while it holds none it waits on a channel alone: in a
// testing/synctest bubble an empty wheel is durably blocked and leaves the clock to others. A wheel for a bubble must be made in it.
//
// Nothing in the package starts a goroutine: the caller runs Run and waits for it.
package heartbeat
