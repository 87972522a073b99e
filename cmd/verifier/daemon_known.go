package main

import (
	"context"
	"maps"
	"slices"
	"strings"

	"verifier"
	"verifier/lifecycle"
)

// declared is which services and environments the files name, as they are now.
func (d *Daemon) declared() lifecycle.Known {
	s := d.live()
	return lifecycle.Known{Catalogue: s.catalogue, Declared: s.cfg.gated()}
}

// names is declared with what is recorded, which takes longer.
func (d *Daemon) names(ctx context.Context) (known lifecycle.Known, err error) {
	known = d.declared()
	known.Places, err = d.store.Places(ctx)
	return known, err
}

// gated are the environments that gates name.
func (c *Config) gated() (names []string) {
	for _, environment := range slices.Sorted(maps.Keys(c.Gates)) {
		if !strings.ContainsAny(environment, "*?") {
			names = append(names, c.canonical(environment))
		}
		for _, g := range c.Gates[environment] {
			for _, after := range g.After {
				names = append(names, c.canonical(after))
			}
		}
	}
	return names
}

// knows refuses an environment that nobody declared or deployed to.
func (d *Daemon) knows(ctx context.Context, environment string) error {
	if d.declared().Environment("environment", environment) == nil {
		return nil
	}
	known, err := d.names(ctx)
	if err != nil {
		return err
	}
	return known.Environment("environment", environment)
}

// stranger says why nobody knows a service; empty where somebody does.
func (d *Daemon) stranger(ctx context.Context, service string) (string, error) {
	if d.declared().Service(service) == "" {
		return "", nil
	}
	known, err := d.names(ctx)
	if err != nil {
		return "", err
	}
	return known.Service(service), nil
}

// scope writes the names of a hold as they are recorded.
func (d *Daemon) scope(ctx context.Context, h *verifier.Hold) error {
	known, err := d.names(ctx)
	if err != nil {
		return err
	}
	return known.Scope(h)
}
