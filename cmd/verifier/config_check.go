package main

import (
	"errors"
	"maps"
	"net"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"verifier"
)

// problems gathers everything that is wrong with one file.
type problems struct {
	doc  *document
	list []error
}

func (p *problems) bad(k key, format string, args ...any) {
	p.list = append(p.list, p.doc.bad(k, format, args...))
}

// finish checks what the YAML alone cannot, and fills in what depends on other keys.
func (c *Config) finish() error {
	p := &problems{doc: c.doc}
	c.finishAddresses(p)
	c.checkEnvironments(p)
	for _, name := range slices.Sorted(maps.Keys(c.Sources)) {
		c.Sources[name].checkType(p, key{"sources", name})
	}
	c.checkFolders(p)
	c.checkSinks(p)
	c.checkGates(p)
	if u := c.Unrelated; u.Services < 0 {
		p.bad(key{"unrelated", "services"}, "%d is negative; write 3, or 0 to never hold an environment", u.Services)
	} else if u.Within > time.Hour {
		p.bad(key{"unrelated", "within"}, "%s is too long; write at most 1h", u.Within)
	}
	c.checkReports(p)
	c.checkFreezes(p)
	c.checkSelf(p)
	if folder := c.Services.folder; folder != "" {
		if err := c.Services.read(c.relative(folder)); err != nil {
			p.list = append(p.list, err)
		}
	}
	c.Services.check(c.doc, p)
	return errors.Join(p.list...)
}

func (c *Config) finishAddresses(p *problems) {
	zone, err := time.LoadLocation(c.Timezone)
	if err != nil {
		p.bad(key{"timezone"}, "%q is not known; write a name like Europe/Berlin or UTC", c.Timezone)
		zone = time.UTC
	}
	c.zone = zone
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		p.bad(key{"listen"}, "%q is no address to listen on; write one like 127.0.0.1:8080", c.Listen)
	}
	if !slices.Contains(localModes, c.Local) {
		p.bad(key{"local"}, "invalid mode %q: must be admin, read or off; without this key, callers on this machine are admin until a token exists or url is not loopback", c.Local)
	}
	if c.URL == "" {
		c.URL, c.bound = "http://"+c.Listen, true
	} else if !isAddress(c.URL) {
		p.bad(key{"url"}, "%q is no address; write one like https://verifier.example.com", c.URL)
	}
	c.URL = strings.TrimSuffix(c.URL, "/")
	if c.HoldFile == "" && !strings.Contains(c.Store, "://") {
		c.HoldFile = c.Store + ".hold"
	}
}

func isAddress(s string) bool {
	u, err := url.Parse(s)
	return err == nil && u.Host != "" && (u.Scheme == "http" || u.Scheme == "https")
}

// checkEnvironments names names that are none, and those that stand for two.
func (c *Config) checkEnvironments(p *problems) {
	known := map[string]string{}
	for i, e := range c.Environments {
		at := key{"environments", i}
		name(p, append(at, "name"), e.Name, known, e.Name)
		for j, alias := range e.Aliases {
			name(p, append(at, "aliases", j), alias, known, e.Name)
		}
	}
}

// name checks one name and that nobody else has it, without case.
func name(p *problems, at key, text string, known map[string]string, owner string) {
	if problem := verifier.NameProblem(text); problem != "" {
		p.bad(at, "%s", problem)
		return
	}
	lower := strings.ToLower(text)
	if other, taken := known[lower]; taken {
		p.bad(at, "%q is taken already, by %s; names are compared without case, write each once", text, other)
		return
	}
	known[lower] = owner
}

func (c *Config) checkReports(p *problems) {
	for i, r := range c.Reports {
		at := key{"reports", i}
		checkCron(p, at, r.Cron)
		if !slices.Contains([]string{"", "team", "service", "environment"}, r.By) {
			p.bad(append(at, "by"), "%q is none; write team, service or environment", r.By)
		}
		if r.Receiver == "" {
			p.bad(append(at, "receiver"), "is missing; write the name of one of receivers")
		}
	}
}

func (c *Config) checkFreezes(p *problems) {
	for i, f := range c.Holds {
		at := key{"holds", i}
		checkCron(p, at, f.Cron)
		if f.For <= 0 {
			p.bad(append(at, "for"), "is missing; write how long the freeze lasts, like 48h")
		}
		for j, s := range f.Stops {
			if s != verifier.StopsRollback && s != "gate" {
				p.bad(append(at, "stops", j), "%q is none; write rollback or gate", s)
			}
		}
		for _, list := range []struct {
			key   string
			globs []string
		}{{"services", f.Services}, {"environments", f.Environments}, {"teams", f.Teams}} {
			for j, g := range list.globs {
				checkGlob(p, append(at, list.key, j), g)
			}
		}
	}
}

func checkCron(p *problems, at key, text string) {
	if _, err := parseCron(text); err != nil {
		p.bad(append(at, "cron"), "%v", err)
	}
}

func checkGlob(p *problems, at key, glob string) {
	if _, err := path.Match(glob, ""); err != nil {
		p.bad(at, "%q is no glob; write one like checkout-*", glob)
	}
}

func (c *Config) checkSelf(p *problems) {
	if a := c.Self.NewRelic; a != nil {
		if _, err := a.license(c); err != nil {
			p.list = append(p.list, c.doc.under(key{"self", "newrelic"}, err))
		}
	}
	beat := &c.Self.Heartbeat
	at := key{"self", "heartbeat"}
	switch {
	case beat.URL == "" && beat.Every > 0:
		p.bad(append(at, "url"), "is missing; write the address to call every %s", beat.Every)
	case beat.URL != "" && !isAddress(beat.URL):
		p.bad(append(at, "url"), "is no address; write one like https://beats.example.com/verifier")
	case beat.URL != "" && beat.Every == 0:
		beat.Every = time.Minute
	case beat.URL != "" && beat.Every < time.Second:
		p.bad(append(at, "every"), "%s is too often; write 1s or more", beat.Every)
	}
}

// checkReceivers says which of the receivers that the configuration names are not there, and which reports would go to a pager.
func (c *Config) checkReceivers(known []string, pagers func(receiver string) []string) error {
	p := &problems{doc: c.doc}
	check := func(at key, name string) {
		if name != "" && !slices.Contains(known, name) {
			p.bad(at, "receiver %q is not there; receivers are: %s", name, orDefault(strings.Join(known, ", "), "none"))
		}
	}
	check(key{"self", "receiver"}, c.Self.Receiver)
	for i, r := range c.Reports {
		at := key{"reports", i, "receiver"}
		check(at, r.Receiver)
		if kinds := pagers(r.Receiver); len(kinds) > 0 {
			p.bad(at, "receiver %q has pagers (%s), and a report is nothing to wake people for; write a receiver without them", r.Receiver, strings.Join(kinds, ", "))
		}
	}
	return errors.Join(p.list...)
}

// under is an error about a part of a value: of the field that it names, else of the value itself.
func (d *document) under(k key, err error) error {
	var invalid *verifier.InvalidError
	if !errors.As(err, &invalid) {
		return d.bad(k, "%v", err)
	}
	var list []error
	for _, f := range invalid.Fields {
		at := slices.Clone(k)
		for part := range strings.SplitSeq(f.Field, ".") {
			at = append(at, part)
		}
		list = append(list, d.bad(at, "%s", f.Problem))
	}
	return errors.Join(list...)
}
