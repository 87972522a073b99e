package main

import (
	"errors"
	"slices"

	"verifier"
	"verifier/rollback"
)

// withoutWay are the entries of the catalogue that let verifier roll back, or suggest it, where no entry says how: whatever a person
// presses would be refused. It is part of check alone: a daemon that runs goes on without.
func (c *Config) withoutWay() error {
	var problems []error
	for _, s := range c.Services.list {
		if s.Rollback == nil || s.Rollback.Mode == nil || *s.Rollback.Mode == verifier.ModeOff {
			continue
		}
		if !slices.ContainsFunc(c.Services.list, func(o ServiceConfig) bool { return o.Rollback != nil && o.Rollback.By != nil && o.meets(s) }) {
			problems = append(problems, s.at.file.doc.bad(s.at.key.with("rollback", "mode"),
				"mode %s needs a way to roll back: add by with one of %s, or set mode: off", *s.Rollback.Mode, rollback.Keys()))
		}
	}
	return errors.Join(problems...)
}

// meets reports whether both entries may match one deploy.
func (s *ServiceConfig) meets(o ServiceConfig) bool {
	either := func(a, b string) bool { return a == "" || b == "" || verifier.Glob(a, b) || verifier.Glob(b, a) }
	return either(s.Match.Service, o.Match.Service) && either(s.Match.Environment, o.Match.Environment) &&
		either(s.Match.Target, o.Match.Target) && either(s.Match.Team, o.Match.Team)
}
