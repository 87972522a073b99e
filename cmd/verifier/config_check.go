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
	doc     *document
	list    []error
	refused []key // values that were left out: nothing more is said of them, or of what lacks them
}

func (p *problems) bad(k key, format string, args ...any) {
	if !p.told(k) {
		p.list = append(p.list, p.doc.bad(k, format, args...))
	}
}

// told reports whether something is wrong already with the key, what it is in, or what it holds.
func (p *problems) told(k key) bool {
	return slices.ContainsFunc(p.refused, func(r key) bool { return k.within(r) || r.within(k) })
}

// under is an error about a part of a value: of each field that it names, else of the value itself.
func (p *problems) under(k key, err error) {
	var invalid *verifier.InvalidError
	if !errors.As(err, &invalid) {
		p.bad(k, "%v", err)
		return
	}
	for _, f := range invalid.Fields {
		at := slices.Clone(k)
		for part := range strings.SplitSeq(f.Field, ".") {
			at = append(at, part)
		}
		p.bad(at, "%s", f.Problem)
	}
}

// near is an error about a value. It stands at the key inside the value that the error begins with, if it does.
func (p *problems) near(k key, err error) {
	if p.told(k) {
		return
	}
	text := err.Error()
	first, _, _ := strings.Cut(text, " ")
	at := slices.Clone(k)
	for part := range strings.SplitSeq(strings.TrimSuffix(first, ":"), ".") {
		if p.doc == nil || p.doc.find(at.with(part)) == nil {
			break
		}
		at = at.with(part)
	}
	if p.doc == nil || p.told(at) {
		p.bad(k, "%s", text)
		return
	}
	line, column := p.doc.position(at)
	p.list = append(p.list, p.doc.at(line, column, k.String()+": "+text))
}

// finish checks what the YAML alone cannot, and fills in what depends on other keys.
func (c *Config) finish() {
	p := c.problems
	c.finishAddresses(p)
	c.checkEnvironments(p)
	for _, name := range slices.Sorted(maps.Keys(c.Sources)) {
		c.Sources[name].checkType(p, key{"sources", name})
	}
	c.checkFolders(p)
	c.checkSinks(p)
	c.checkGates(p)
	if u := c.Unrelated; u.Services < 0 {
		p.bad(key{"unrelated", "services"}, "%d is negative: use 3, or 0 to never hold an environment", u.Services)
	} else if u.Within > time.Hour {
		p.bad(key{"unrelated", "within"}, "%s is too long: the maximum is 1h", u.Within)
	}
	c.checkReports(p)
	c.checkFreezes(p)
	c.checkSelf(p)
	if folder := c.Services.folder; folder != "" {
		c.Services.read(p, c.relative(folder))
	}
	c.Services.check(p)
}

func (c *Config) finishAddresses(p *problems) {
	zone, err := time.LoadLocation(c.Timezone)
	if err != nil {
		p.bad(key{"timezone"}, "unknown time zone %q (try Europe/Berlin or UTC)", c.Timezone)
		zone = time.UTC
	}
	c.zone = zone
	if _, _, err := net.SplitHostPort(c.Listen); err != nil {
		p.bad(key{"listen"}, "%q is not an address to listen on (try 127.0.0.1:8080)", c.Listen)
	}
	if !slices.Contains(localModes, c.Local) {
		p.bad(key{"local"}, "invalid mode %q: must be admin, read or off; without this key, callers on this machine are admin until a token exists or url is not loopback", c.Local)
	}
	if c.URL == "" {
		c.URL, c.bound = "http://"+c.Listen, true
	} else if !isAddress(c.URL) {
		p.bad(key{"url"}, "%q is not a URL (try https://verifier.example.com)", c.URL)
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
		p.bad(at, "duplicate name %q: it is a name of %s already; names are compared without case", text, other)
		return
	}
	known[lower] = owner
}

func (c *Config) checkReports(p *problems) {
	for i, r := range c.Reports {
		at := key{"reports", i}
		checkCron(p, at, r.Cron)
		if !slices.Contains([]string{"", "team", "service", "environment"}, r.By) {
			p.bad(append(at, "by"), "invalid value %q: must be team, service or environment", r.By)
		}
		if r.Receiver == "" {
			p.bad(append(at, "receiver"), "is missing: name one of the receivers")
		}
	}
}

func (c *Config) checkFreezes(p *problems) {
	for i, f := range c.Holds {
		at := key{"holds", i}
		checkCron(p, at, f.Cron)
		if f.For <= 0 {
			p.bad(append(at, "for"), "is missing: write how long the freeze lasts, like 48h")
		}
		for j, s := range f.Stops {
			if s != verifier.StopsRollback && s != "gate" {
				p.bad(append(at, "stops", j), "invalid value %q: must be rollback or gate", s)
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
		p.bad(at, "%q is not a valid glob (try checkout-*)", glob)
	}
}

func (c *Config) checkSelf(p *problems) {
	if a := c.Self.NewRelic; a != nil {
		if _, err := a.license(c); err != nil {
			p.under(key{"self", "newrelic"}, err)
		}
	}
	beat := &c.Self.Heartbeat
	at := key{"self", "heartbeat"}
	switch {
	case beat.URL == "" && beat.Every > 0:
		p.bad(append(at, "url"), "is missing: write the URL to call every %s", beat.Every)
	case beat.URL != "" && !isAddress(beat.URL):
		p.bad(append(at, "url"), "is not a URL (try https://beats.example.com/verifier)")
	case beat.URL != "" && beat.Every == 0:
		beat.Every = time.Minute
	case beat.URL != "" && beat.Every < time.Second:
		p.bad(append(at, "every"), "%s is too short: the minimum is 1s", beat.Every)
	}
}

// checkReceivers says which of the receivers that the configuration names are not there, and which reports would go to a pager.
func (c *Config) checkReceivers(p *problems, known []string, pagers func(receiver string) []string) {
	check := func(at key, name string) {
		if name != "" && !slices.Contains(known, name) {
			p.bad(at, "undefined receiver %q; receivers are: %s", name, orDefault(strings.Join(known, ", "), "none"))
		}
	}
	check(key{"self", "receiver"}, c.Self.Receiver)
	for i, r := range c.Reports {
		at := key{"reports", i, "receiver"}
		check(at, r.Receiver)
		if kinds := pagers(r.Receiver); len(kinds) > 0 {
			p.bad(at, "receiver %q has pagers (%s), which a report must not trigger; name a receiver without them", r.Receiver, strings.Join(kinds, ", "))
		}
	}
}
