package verifier

import (
	"slices"
	"strings"
	"time"
)

// RollbackMode is how far the daemon may go by itself.
type RollbackMode string

// The modes. ModeOff is the default.
const (
	ModeOff     RollbackMode = "off"
	ModeSuggest RollbackMode = "suggest"
	ModeApprove RollbackMode = "approve"
	ModeAuto    RollbackMode = "auto"
)

// Modes lists every RollbackMode.
var Modes = []RollbackMode{ModeOff, ModeSuggest, ModeApprove, ModeAuto}

// RollbackPolicy is what is allowed for the services of one catalogue entry.
type RollbackPolicy struct {
	Mode          RollbackMode
	By            string // name of the way of doing it: the key of its configuration; empty is none
	Asks          bool   // the way can say beforehand whether a version can be deployed
	Countdown     time.Duration
	ConfirmWithin time.Duration
	PerService    int           // at most so many rollbacks of one service in In
	All           int           // at most so many over all services in In
	In            time.Duration // the stretch that PerService and All speak of
	AtLeastApart  time.Duration
	ActWithin     time.Duration
}

// DefaultPolicy is what holds where nothing is configured.
var DefaultPolicy = RollbackPolicy{
	Mode: ModeOff, Countdown: 2 * time.Minute, ConfirmWithin: 15 * time.Minute,
	PerService: 1, All: 5, In: 24 * time.Hour, AtLeastApart: time.Hour, ActWithin: time.Hour,
}

// Service is what the catalogue says of one place, all matching entries applied.
type Service struct {
	Name      string // canonical
	Team      string
	Tell      []Outcome
	Names     map[string]string // what sources and tools call it; values may hold templates
	Versions  string            // auto, number or seen
	DependsOn []string
	Links     map[string]string
	Rollback  RollbackPolicy
	Claimed   bool // an entry names it
}

// Entry is one entry of the catalogue. Apply changes what its keys name and leaves the rest.
type Entry struct {
	Match   Match
	Aliases []string
	Apply   func(*Service)
}

// Match selects places by glob; an empty field matches all.
type Match struct {
	Service     string
	Environment string
	Target      string
	Team        string
}

// Environment is one environment of the configuration.
type Environment struct {
	Name       string
	Aliases    []string
	Production bool
}

// Catalogue knows services and environments by all their names. The zero value knows none and accepts every name.
type Catalogue struct {
	Environments []Environment
	Entries      []Entry // later ones win, key by key
}

// Canonical is the place under its catalogue names: aliases are replaced, case is the catalogue's.
func (c *Catalogue) Canonical(p Place) Place {
	for _, e := range c.Environments {
		if sameName(e.Name, p.Environment) || slices.ContainsFunc(e.Aliases, func(a string) bool { return sameName(a, p.Environment) }) {
			p.Environment = e.Name
			break
		}
	}
	for _, e := range c.Entries {
		if e.claims(p.Service) {
			p.Service = e.Match.Service
			break
		}
	}
	return p
}

// Service is what all matching entries say of the place. p is canonical; team is the event's own, empty when it had none.
func (c *Catalogue) Service(p Place, team string) Service {
	s := Service{Name: p.Service, Versions: "auto", Rollback: DefaultPolicy, Names: map[string]string{}, Links: map[string]string{}}
	for _, e := range c.Entries {
		if !e.matches(p, cmpOr(team, s.Team)) {
			continue
		}
		e.Apply(&s)
		s.Claimed = s.Claimed || e.named()
	}
	if team != "" {
		s.Team = team
	}
	return s
}

// Production reports whether the environment counts for the rollback rate: those that are marked, or without any
// environment configured production, prod, prod-* and live.
func (c *Catalogue) Production(environment string) bool {
	if len(c.Environments) == 0 {
		return MatchAny([]string{"production", "prod", "prod-*", "live"}, environment)
	}
	for _, e := range c.Environments {
		if sameName(e.Name, environment) {
			return e.Production
		}
	}
	return false
}

// ServiceNames lists the names that entries claim, for naming the nearest one to a name that is unclaimed.
func (c *Catalogue) ServiceNames() []string {
	var names []string
	for _, e := range c.Entries {
		if e.named() {
			names = append(names, e.Match.Service)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

func (e Entry) named() bool {
	return e.Match.Service != "" && !strings.ContainsAny(e.Match.Service, "*?")
}

func (e Entry) claims(service string) bool {
	return e.named() && (sameName(e.Match.Service, service) ||
		slices.ContainsFunc(e.Aliases, func(a string) bool { return sameName(a, service) }))
}

func (e Entry) matches(p Place, team string) bool {
	m := e.Match
	return globOrAll(m.Service, p.Service) && globOrAll(m.Environment, p.Environment) &&
		globOrAll(m.Target, p.Target) && globOrAll(m.Team, team)
}

func globOrAll(pattern, s string) bool { return pattern == "" || Glob(pattern, s) }

func sameName(a, b string) bool { return strings.EqualFold(a, b) }

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
