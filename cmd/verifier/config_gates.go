package main

import (
	"maps"
	"slices"
	"strings"
	"time"

	"verifier"
)

// GatesConfig is what a version must have behind it before it may go into an environment: one entry or several.
type GatesConfig []GateConfig

// GateConfig is one gate.
type GateConfig struct {
	Services     []string      `yaml:"services"`
	After        []string      `yaml:"after"`
	Results      []string      `yaml:"results"`
	MaxAge       time.Duration `yaml:"max_age"`
	Inconclusive string        `yaml:"inconclusive"` // block (default) or allow
}

// UnmarshalYAML takes one gate or a list of them.
func (g *GatesConfig) UnmarshalYAML(unmarshal func(any) error) error {
	var either any
	if err := unmarshal(&either); err != nil {
		return err
	}
	if _, several := either.([]any); several {
		return unmarshal((*[]GateConfig)(g))
	}
	var one GateConfig
	err := unmarshal(&one)
	*g = GatesConfig{one}
	return err
}

func (c *Config) checkGates(p *problems) {
	for _, environment := range slices.Sorted(maps.Keys(c.Gates)) {
		at := key{"gates", environment}
		if problem := verifier.NameProblem(strings.NewReplacer("*", "x", "?", "x").Replace(environment)); problem != "" {
			p.bad(at, "%s", problem)
		}
		several := c.Gates[environment]
		if len(several) == 0 {
			p.bad(at, "is empty: write {after: [staging]}")
		}
		for i, g := range several {
			each := at
			if c.doc != nil && c.doc.find(at.with(i)) != nil {
				each = append(at, i)
			}
			c.checkGate(p, each, environment, g)
		}
	}
}

func (c *Config) checkGate(p *problems, at key, environment string, g GateConfig) {
	if len(g.After) == 0 {
		p.bad(at, "after is missing: name the environments where a version must have passed, like after: [staging]")
	}
	into := c.canonical(environment)
	for i, name := range g.After {
		known := c.canonical(name)
		switch {
		case verifier.NameProblem(name) != "":
			p.bad(append(at, "after", i), "%s", verifier.NameProblem(name))
		case verifier.Glob(into, known):
			p.bad(append(at, "after", i), "%s is the environment that the gate protects: name one that comes before it", name)
		}
	}
	for i, glob := range g.Services {
		checkGlob(p, append(at, "services", i), glob)
	}
	for i, glob := range g.Results {
		if strings.TrimSpace(glob) == "" {
			p.bad(append(at, "results", i), "is empty: write the name of a test, or a glob like smoke*")
		}
		checkGlob(p, append(at, "results", i), glob)
	}
	if !slices.Contains([]string{"", "allow", "block"}, g.Inconclusive) {
		p.bad(append(at, "inconclusive"), "invalid value %q: must be block or allow", g.Inconclusive)
	}
}

func (c *Config) canonical(environment string) string {
	return c.catalogue().Canonical(verifier.Place{Environment: environment}).Environment
}

// gatesInto are the gates that a version of the place has to pass.
func (c *Config) gatesInto(place verifier.Place) (out []verifier.Gate) {
	for _, environment := range slices.Sorted(maps.Keys(c.Gates)) {
		if !verifier.Glob(c.canonical(environment), place.Environment) {
			continue
		}
		for _, g := range c.Gates[environment] {
			if !verifier.MatchAny(g.Services, place.Service) {
				continue
			}
			gate := verifier.Gate{Environment: place.Environment, Services: g.Services, Results: g.Results, MaxAge: g.MaxAge, Inconclusive: g.Inconclusive == "allow"}
			for _, name := range g.After {
				gate.After = append(gate.After, c.canonical(name))
			}
			out = append(out, gate)
		}
	}
	return out
}
