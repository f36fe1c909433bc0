package server

import (
	"bytes"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sluice/channel"
)

func listenerID(l *Listener) string                         { return l.ID }
func channelID(c *channel.ChannelDefinition) string         { return c.ID }
func destinationID(d *channel.DestinationDefinition) string { return d.ID }
func constraintID(c *channel.SecurityConstraint) string     { return c.ID }
func keyID(k *APIKey) string                                { return k.ID }
func (r *Reloaded) changed(setting string, old, now any, t touch) {
	r.Changed = append(r.Changed, Change{Setting: setting, Old: old, New: now, touch: t})
}

func (r *Reloaded) restart(setting string, old, now any, t touch) {
	r.NeedsRestart = append(r.NeedsRestart, Change{Setting: setting, Old: old, New: now, touch: t})
}

// listeners keeps those that are open, in their order: others are opened and closed by a restart.
func (r *Reloaded) listeners(held, next *Options) {
	var kept []Listener
	for i := range held.Listeners {
		old := &held.Listeners[i]
		path, on := element("servers/server", old.ID), servedBy(held, old)
		now := find(next.Listeners, old.ID, listenerID)
		if now == nil {
			r.restart(path, old.ID, nil, on)
			kept = append(kept, *old)
			continue
		}
		now.Net = old.Net
		if (old.CertificateFile == "") != (now.CertificateFile == "") {
			r.restart(path+"/properties/certificate-file", old.CertificateFile, now.CertificateFile, on)
			now.CertificateFile, now.PrivateKeyFile = old.CertificateFile, old.PrivateKeyFile
		}
		r.compare(path, listenerSettings, old, now, on)
		kept = append(kept, *now)
	}
	for i := range next.Listeners {
		if now := &next.Listeners[i]; find(held.Listeners, now.ID, listenerID) == nil {
			r.restart(element("servers/server", now.ID), nil, now.ID, touch{})
		}
	}
	next.Listeners = kept
}

// servedBy touches what is on the channels of a listener.
func servedBy(o *Options, l *Listener) touch {
	t := touch{}
	for i := range o.Channels {
		if c := &o.Channels[i]; l.Role == Public && servedAt(c, l) {
			t.channels = append(t.channels, c.ID)
		}
	}
	return t
}

// channels keeps those that have gone: there may be sessions on them. Those that have come are added, if their place is free.
func (r *Reloaded) channels(held, next *Options) {
	const path = "channels/channel-definition"
	var gone []channel.ChannelDefinition
	for i := range held.Channels {
		old := &held.Channels[i]
		on := touch{channels: []string{old.ID}}
		if now := find(next.Channels, old.ID, channelID); now != nil {
			r.compare(element(path, old.ID), channelSettings, old, now, on)
		} else {
			r.restart(element(path, old.ID), old.ID, nil, on)
			gone = append(gone, *old)
		}
	}
	var kept []channel.ChannelDefinition
	for i := range next.Channels {
		now := &next.Channels[i]
		switch {
		case find(held.Channels, now.ID, channelID) != nil:
		case now.Server != "" && find(next.Listeners, now.Server, listenerID) == nil, // which has to be opened first
			taken(held.Channels, now) != nil:
			r.restart(element(path, now.ID), nil, now.ID, touch{})
			continue
		default:
			r.changed(element(path, now.ID), nil, now.ID, touch{})
		}
		kept = append(kept, *now)
	}
	next.Channels = append(kept, gone...)
}

// destinations keeps those that have gone, for their subscribers.
func (r *Reloaded) destinations(held, next *Options) {
	const path = "services/service/destination"
	for i := range held.Destinations {
		old := &held.Destinations[i]
		on := touch{destinations: []string{old.ID}}
		if now := find(next.Destinations, old.ID, destinationID); now != nil {
			r.compare(element(path, old.ID), destinationSettings, old, now, on)
		} else {
			r.restart(element(path, old.ID), old.ID, nil, on)
			next.Destinations = append(slices.Clip(next.Destinations), *old)
		}
	}
	for i := range next.Destinations {
		if now := &next.Destinations[i]; find(held.Destinations, now.ID, destinationID) == nil {
			r.changed(element(path, now.ID), nil, now.ID, touch{})
		}
	}
}

// constraints keeps, of those that have gone, what channels and destinations go by that have been kept.
func (r *Reloaded) constraints(held, next *Options) {
	const path = "security/security-constraint"
	for i := range held.Constraints {
		old := &held.Constraints[i]
		now := find(next.Constraints, old.ID, constraintID)
		switch {
		case now != nil:
			r.compare(element(path, old.ID), constraintSettings, old, now, heldTo(next, old.ID))
		case needed(next, old.ID):
			next.Constraints = append(slices.Clip(next.Constraints), *old)
		case !strings.HasPrefix(old.ID, inPlace): // else it is told of with where it stood
			r.changed(element(path, old.ID), old.ID, nil, touch{})
		}
	}
	for i := range next.Constraints {
		if now := &next.Constraints[i]; !strings.HasPrefix(now.ID, inPlace) && find(held.Constraints, now.ID, constraintID) == nil {
			r.changed(element(path, now.ID), nil, now.ID, heldTo(next, now.ID))
		}
	}
	for i := range r.Changed {
		c := &r.Changed[i]
		c.Old, c.New = inWords(held, c.Old), inWords(next, c.New)
	}
}

// inWords is a value of a change as it is told; of a constraint that is written in place, what it asks for.
func inWords(o *Options, value any) any {
	id, ok := value.(placed)
	if !ok {
		return value
	}
	if c := find(o.Constraints, string(id), constraintID); c != nil && len(c.Roles) > 0 {
		return "in place, for " + strings.Join(c.Roles, ", ")
	}
	return "in place"
}

// heldTo touches what a constraint holds for.
func heldTo(o *Options, constraint string) touch {
	t := touch{}
	for _, c := range o.Channels {
		if c.Constraint == constraint {
			t.channels = append(t.channels, c.ID)
		}
	}
	for _, d := range o.Destinations {
		if d.Constraint == constraint || d.SendConstraint == constraint || d.SubscribeConstraint == constraint {
			t.destinations = append(t.destinations, d.ID)
		}
	}
	return t
}

func needed(o *Options, constraint string) bool {
	t := heldTo(o, constraint)
	return len(t.channels)+len(t.destinations) > 0
}

// keys compares the API keys by their ids, and shows no value.
func (r *Reloaded) keys(held, next []APIKey) {
	for i := range held {
		path := element("api/key", held[i].ID)
		switch now := find(next, held[i].ID, keyID); {
		case now == nil:
			r.changed(path, held[i].ID, nil, touch{})
		case now.Value != held[i].Value:
			r.changed(path+"/value", secret, secret, touch{})
		}
	}
	for i := range next {
		if find(held, next[i].ID, keyID) == nil {
			r.changed(element("api/key", next[i].ID), nil, next[i].ID, touch{})
		}
	}
}

// secret stands for a value that is not shown.
const secret = "***"

// renewed tells of a certificate that is another one in the file of the same name.
func (r *Reloaded) renewed(before, after *terms) {
	if before.certificate == nil || after.certificate == nil || before.CertificateFile != after.CertificateFile {
		return
	}
	if !slices.EqualFunc(before.certificate.Certificate, after.certificate.Certificate, bytes.Equal) {
		r.changed(element("servers/server", before.ID)+"/properties/certificate-file", certificate(before), certificate(after), touch{})
	}
}

// certificate is the file, and until when what is in it is valid.
func certificate(t *terms) string {
	return fmt.Sprintf("%s (valid until %s)", filepath.Base(t.CertificateFile), t.certificate.Leaf.NotAfter.UTC().Format(time.DateTime))
}
