package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"verifier"
	"verifier/sinks"
)

// SinkConfig is one place where verdicts are written: its type says whose configuration the other keys are.
type SinkConfig struct {
	Elasticsearch *sinks.ElasticsearchConfig
	GitHub        *sinks.GitHubConfig
	Grafana       *sinks.GrafanaConfig
	NewRelic      *sinks.NewRelicConfig

	problem string // with the type
}

const sinkTypes = "write elasticsearch, github, grafana or newrelic; the daemon's own metrics are at /metrics without any configuration"

// UnmarshalYAML reads the type first, and then everything by it.
func (s *SinkConfig) UnmarshalYAML(unmarshal func(any) error) error {
	var all map[string]any
	if err := unmarshal(&all); err != nil {
		return err
	}
	switch kind := all["type"]; kind {
	case "elasticsearch":
		var c struct {
			Type                      string `yaml:"type"`
			sinks.ElasticsearchConfig `yaml:",inline"`
		}
		err := unmarshal(&c)
		s.Elasticsearch = &c.ElasticsearchConfig
		return err
	case "github":
		var c struct {
			Type               string `yaml:"type"`
			sinks.GitHubConfig `yaml:",inline"`
		}
		err := unmarshal(&c)
		s.GitHub = &c.GitHubConfig
		return err
	case "grafana":
		var c struct {
			Type                string `yaml:"type"`
			sinks.GrafanaConfig `yaml:",inline"`
		}
		err := unmarshal(&c)
		s.Grafana = &c.GrafanaConfig
		return err
	case "newrelic":
		var c struct {
			Type                 string `yaml:"type"`
			sinks.NewRelicConfig `yaml:",inline"`
		}
		err := unmarshal(&c)
		s.NewRelic = &c.NewRelicConfig
		return err
	case nil:
		s.problem = "is missing; " + sinkTypes
	default:
		s.problem = fmt.Sprintf("there is no sink of type %q; "+sinkTypes, kind)
	}
	return nil
}

// checkSinks says which sinks are none, and which names cannot be part of a key.
func (c *Config) checkSinks(p *problems) {
	for _, name := range slices.Sorted(maps.Keys(c.Sinks)) {
		if problem := c.Sinks[name].problem; problem != "" {
			p.bad(key{"sinks", name, "type"}, "%s", problem)
		}
		if problem := verifier.NameProblem(name); problem != "" {
			p.bad(key{"sinks", name}, "%s", problem)
		}
	}
}

// openSinks makes all sinks; it asks nobody.
func (c *Config) openSinks(rt transport) (map[string]sinks.Sink, error) {
	out := map[string]sinks.Sink{}
	var problems []error
	for _, name := range slices.Sorted(maps.Keys(c.Sinks)) {
		sink, err := c.Sinks[name].open(c, rt)
		if err != nil {
			problems = append(problems, c.doc.under(key{"sinks", name}, err))
			continue
		}
		out[name] = sink
	}
	return out, errors.Join(problems...)
}

func (s SinkConfig) open(c *Config, rt transport) (sinks.Sink, error) {
	switch {
	case s.Elasticsearch != nil:
		e := *s.Elasticsearch
		e.PasswordFile, e.APIKeyFile, e.CAFile = c.relative(e.PasswordFile), c.relative(e.APIKeyFile), c.relative(e.CAFile)
		return sinks.NewElasticsearch(e, rt)
	case s.GitHub != nil:
		g := *s.GitHub
		g.TokenFile = c.relative(g.TokenFile)
		return sinks.NewGitHub(g, rt)
	case s.Grafana != nil:
		g := *s.Grafana
		g.TokenFile = c.relative(g.TokenFile)
		return sinks.NewGrafana(g, rt)
	}
	n := *s.NewRelic
	n.LicenseKeyFile, n.APIKeyFile = c.relative(n.LicenseKeyFile), c.relative(n.APIKeyFile)
	return sinks.NewNewRelic(n, rt)
}

// wanting names the sinks that a verification in this state is written to.
func (s *setup) wanting(state verifier.State) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(s.sinks)) {
		if s.sinks[name].Wants(state) {
			names = append(names, name)
		}
	}
	return names
}
