package main

import (
	"errors"
	"maps"
	"slices"
	"time"

	"verifier"
	"verifier/rules"
	"verifier/sources"
)

// byEnvironmentSource is another source in each environment, by the environment's name, an alias or a glob of it.
type byEnvironmentSource struct {
	Type         string                  `yaml:"type"`
	Environments map[string]SourceConfig `yaml:"environments"`
}

func (s *byEnvironmentSource) check() rules.CheckMeasure {
	checks := map[string]func(verifier.Measure) (time.Duration, error){}
	for name, inner := range s.Environments {
		if inner.source == nil {
			checks[name] = anyMeasure
			continue
		}
		checks[name] = inner.check()
	}
	return sources.CheckByEnvironment(checks)
}

func (s *byEnvironmentSource) backend(c *Config) (sources.Backend, error) {
	out := map[string]sources.Backend{}
	var problems verifier.InvalidError
	for _, name := range slices.Sorted(maps.Keys(s.Environments)) {
		if s.Environments[name].source == nil {
			continue // its type is wrong
		}
		backend, err := s.Environments[name].backend(c)
		if err != nil {
			problems.Fields = append(problems.Fields, fieldsUnder("environments."+name, err)...)
			continue
		}
		known := c.catalogue().Canonical(verifier.Place{Environment: name}).Environment
		if _, twice := out[known]; twice {
			problems.Fields = append(problems.Fields, verifier.FieldError{Field: "environments." + name, Problem: "duplicate: another key stands for " + known + " too"})
		}
		out[known] = backend
	}
	if len(problems.Fields) > 0 {
		return nil, &problems
	}
	return sources.NewByEnvironment(out), nil
}

func fieldsUnder(prefix string, err error) (fields []verifier.FieldError) {
	var invalid *verifier.InvalidError
	if !errors.As(err, &invalid) {
		return []verifier.FieldError{{Field: prefix, Problem: err.Error()}}
	}
	for _, f := range invalid.Fields {
		fields = append(fields, verifier.FieldError{Field: prefix + "." + f.Field, Problem: f.Problem})
	}
	return fields
}

// checkType says what is wrong with the type of a source, or with those of its environments.
func (s SourceConfig) checkType(p *problems, at key) {
	if s.problem != "" {
		p.bad(append(slices.Clone(at), "type"), "%s", s.problem)
		return
	}
	by, ok := s.source.(*byEnvironmentSource)
	if !ok {
		return
	}
	if len(by.Environments) == 0 {
		p.bad(append(slices.Clone(at), "environments"), "is empty: write {production: {type: prometheus, url: …}, staging: {…}}")
	}
	for _, name := range slices.Sorted(maps.Keys(by.Environments)) {
		inner := append(slices.Clone(at), "environments", name)
		if _, again := by.Environments[name].source.(*byEnvironmentSource); again {
			p.bad(append(inner, "type"), "by_environment cannot contain by_environment: write the source that the environment has")
			continue
		}
		by.Environments[name].checkType(p, inner)
	}
}
