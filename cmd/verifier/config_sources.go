package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"verifier/lifecycle"
	"verifier/outbound"
	"verifier/rules"
	"verifier/sources"
)

// SourceConfig is one source: its type says whose configuration the other keys are.
type SourceConfig struct {
	Files      *sources.FilesConfig
	NewRelic   *sources.NewRelicConfig
	Prometheus *sources.PrometheusConfig

	problem string // with the type
}

type newRelicSource struct {
	Type                   string `yaml:"type"`
	sources.NewRelicConfig `yaml:",inline"`
}

type prometheusSource struct {
	Type                     string `yaml:"type"`
	sources.PrometheusConfig `yaml:",inline"`
}

type filesSource struct {
	Type                string `yaml:"type"`
	sources.FilesConfig `yaml:",inline"`
}

const sourceTypes = "write files, newrelic or prometheus"

// UnmarshalYAML reads the type first, and then everything by it.
func (s *SourceConfig) UnmarshalYAML(unmarshal func(any) error) error {
	var all map[string]any
	if err := unmarshal(&all); err != nil {
		return err
	}
	switch kind := all["type"]; kind {
	case "prometheus":
		var c prometheusSource
		err := unmarshal(&c)
		s.Prometheus = &c.PrometheusConfig
		return err
	case "files":
		var c filesSource
		err := unmarshal(&c)
		s.Files = &c.FilesConfig
		return err
	case "newrelic":
		var c newRelicSource
		err := unmarshal(&c)
		s.NewRelic = &c.NewRelicConfig
		return err
	case nil:
		s.problem = "is missing; " + sourceTypes
	default:
		s.problem = fmt.Sprintf("there is no source of type %q; "+sourceTypes, kind)
	}
	return nil
}

// backends makes the clients of all sources; it asks nobody.
func (c *Config) backends(observe func(source, result string, took time.Duration)) (map[string]*sources.Limited, error) {
	out := map[string]*sources.Limited{}
	var problems []error
	for _, name := range slices.Sorted(maps.Keys(c.Sources)) {
		s := c.Sources[name]
		backend, err := s.backend(c)
		if err != nil {
			problems = append(problems, c.doc.under(key{"sources", name}, err))
			continue
		}
		out[name] = sources.Limit(name, backend, observe)
	}
	return out, errors.Join(problems...)
}

func (s SourceConfig) backend(c *Config) (sources.Backend, error) {
	switch {
	case s.NewRelic != nil:
		n := *s.NewRelic
		n.APIKeyFile, n.CAFile = c.relative(n.APIKeyFile), c.relative(n.CAFile)
		return sources.NewNewRelic(n, nil)
	case s.Prometheus != nil:
		p := *s.Prometheus
		p.BearerTokenFile, p.PasswordFile, p.CAFile = c.relative(p.BearerTokenFile), c.relative(p.PasswordFile), c.relative(p.CAFile)
		return sources.NewPrometheus(p, nil)
	}
	f := *s.Files
	f.Path = c.relative(f.Path)
	return sources.NewFiles(f)
}

// checks are what each source says of a measure before anything is asked.
func (c *Config) checks() map[string]rules.CheckMeasure {
	out := map[string]rules.CheckMeasure{}
	for name, s := range c.Sources {
		switch {
		case s.NewRelic != nil:
			out[name] = sources.CheckNewRelic
		case s.Prometheus != nil:
			out[name] = sources.CheckPrometheus
		default:
			out[name] = sources.CheckFiles
		}
	}
	return out
}

// asBackends is the same sources as the lifecycle knows them.
func asBackends(limited map[string]*sources.Limited) lifecycle.Backends {
	out := lifecycle.Backends{}
	for name, l := range limited {
		out[name] = l
	}
	return out
}

// newTransport is what every client that is not a source's own goes through.
func newTransport() (transport, error) {
	return outbound.New(outbound.Config{UserAgent: "verifier/" + version})
}
