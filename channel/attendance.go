package channel

import (
	"slices"

	"sluice/channel/message"
)

// Attendance is one subscription's part in the presence of its destination: its client is a member of each subtopic that it names, and may watch them. All methods of a nil Attendance do nothing. They are
// safe for concurrent use; those that change who is there tell watchers, so they must not be called with a lock held that a [Watcher] takes.
type Attendance struct {
	presence *presence
	sub      *Subscription
	who      message.Member
	watcher  Watcher  // nil: it does not watch
	topics   []string // where it is; guarded by presence.mu
}

// Attend gives s its part in the presence of its destination, which begins with the first Update. who.ID is the client's: several subscriptions with the same one on a subtopic are one member, as the first of them said. watcher may be nil.
// The result is nil where presence is not kept.
func (d *Destination) Attend(s *Subscription, who message.Member, watcher Watcher) *Attendance {
	p := d.presence.Load()
	if p == nil {
		return nil
	}
	return &Attendance{presence: p, sub: s, who: who, watcher: watcher}
}

// Update makes the attendance one of the subtopics that the subscription has now. Behind the last one, when the subscription is closed, it is over.
func (a *Attendance) Update() {
	if a == nil {
		return
	}
	p := a.presence
	p.mu.Lock()
	if p.off {
		p.mu.Unlock()
		return
	}
	topics, separator := a.sub.Topics(), p.dest.index.separator
	for _, topic := range a.topics {
		if _, there := slices.BinarySearch(topics, topic); !there {
			if a.watcher != nil {
				p.watched.add(topic, separator, a.watcher, -1)
			}
			p.leave(topic, a.who.ID)
		}
	}
	for _, topic := range topics {
		if _, there := slices.BinarySearch(a.topics, topic); !there {
			if a.watcher != nil {
				p.watched.add(topic, separator, a.watcher, 1)
			}
			p.join(topic, &a.who)
		}
	}
	a.topics = topics
	p.mu.Unlock()
	p.tell()
}

// Rename gives the member its user's name: the client has logged in.
func (a *Attendance) Rename(user string) {
	if a == nil {
		return
	}
	p := a.presence
	p.mu.Lock()
	a.who.User = user
	if !p.off {
		for _, topic := range a.topics {
			p.rename(topic, a.who.ID, user)
		}
	}
	p.mu.Unlock()
	p.tell()
}

// Watches reports whether the watcher is to be told of a subtopic now.
func (a *Attendance) Watches(subtopic string) bool {
	if a == nil || a.watcher == nil {
		return false
	}
	d := a.presence.dest
	return slices.ContainsFunc(a.sub.Topics(), func(topic string) bool { return matchSubtopic(topic, subtopic, d.index.separator) })
}

// Current reports whether the attendance is one in what the destination keeps now: it may have been told to keep none meanwhile, or to keep it again. Of a nil one it asks d.
func (a *Attendance) Current(d *Destination) bool {
	p := d.presence.Load()
	return a == nil && p == nil || a != nil && a.presence == p
}
