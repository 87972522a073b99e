package main

import (
	"fmt"
	"maps"
	"reflect"
	"slices"

	"verifier"
	"verifier/sinks"
)

// SinkConfig is one place where verdicts are written: its type says whose configuration the other keys are.
type SinkConfig struct {
	sink

	problem string // with the type
}

// sink is the configuration of one type: it makes the client.
type sink interface {
	open(*Config, transport) (sinks.Sink, error)
}

// sinkTypes are all types by the names that users write.
var sinkTypes = map[string]func() sink{
	"cdevents":      func() sink { return &cdEventsSink{} },
	"elasticsearch": func() sink { return &elasticsearchSink{} },
	"github":        func() sink { return &gitHubSink{} },
	"gitlab":        func() sink { return &gitLabSink{} },
	"grafana":       func() sink { return &grafanaSink{} },
	"newrelic":      func() sink { return &newRelicSink{} },
	"octopus":       func() sink { return &octopusSink{} },
}

type elasticsearchSink struct {
	Type                      string `yaml:"type"`
	sinks.ElasticsearchConfig `yaml:",inline"`
}

func (s *elasticsearchSink) open(c *Config, rt transport) (sinks.Sink, error) {
	e := s.ElasticsearchConfig
	e.PasswordFile, e.APIKeyFile, e.CAFile = c.relative(e.PasswordFile), c.relative(e.APIKeyFile), c.relative(e.CAFile)
	return sinks.NewElasticsearch(e, rt)
}

type gitHubSink struct {
	Type               string `yaml:"type"`
	sinks.GitHubConfig `yaml:",inline"`
}

func (s *gitHubSink) open(c *Config, rt transport) (sinks.Sink, error) {
	g := s.GitHubConfig
	g.TokenFile = c.relative(g.TokenFile)
	return sinks.NewGitHub(g, rt)
}

type gitLabSink struct {
	Type               string `yaml:"type"`
	sinks.GitLabConfig `yaml:",inline"`
}

func (s *gitLabSink) open(c *Config, rt transport) (sinks.Sink, error) {
	g := s.GitLabConfig
	g.TokenFile = c.relative(g.TokenFile)
	return sinks.NewGitLab(g, rt)
}

type cdEventsSink struct {
	Type                 string `yaml:"type"`
	sinks.CDEventsConfig `yaml:",inline"`
}

func (s *cdEventsSink) open(c *Config, rt transport) (sinks.Sink, error) {
	e := s.CDEventsConfig
	e.TokenFile = c.relative(e.TokenFile)
	return sinks.NewCDEvents(e, rt)
}

type grafanaSink struct {
	Type                string `yaml:"type"`
	sinks.GrafanaConfig `yaml:",inline"`
}

func (s *grafanaSink) open(c *Config, rt transport) (sinks.Sink, error) {
	g := s.GrafanaConfig
	g.TokenFile = c.relative(g.TokenFile)
	return sinks.NewGrafana(g, rt)
}

type newRelicSink struct {
	Type                 string `yaml:"type"`
	sinks.NewRelicConfig `yaml:",inline"`
}

func (s *newRelicSink) open(c *Config, rt transport) (sinks.Sink, error) {
	n := s.NewRelicConfig
	n.LicenseKeyFile, n.APIKeyFile = c.relative(n.LicenseKeyFile), c.relative(n.APIKeyFile)
	return sinks.NewNewRelic(n, rt)
}

type octopusSink struct {
	Type                string `yaml:"type"`
	sinks.OctopusConfig `yaml:",inline"`
}

func (s *octopusSink) open(c *Config, rt transport) (sinks.Sink, error) {
	o := s.OctopusConfig
	o.KeyFile = c.relative(o.KeyFile)
	return sinks.NewOctopus(o, rt)
}

const sinkNames = "use cdevents, elasticsearch, github, gitlab, grafana, newrelic or octopus; the daemon's own metrics are at /metrics without any configuration"

// UnmarshalYAML reads the type first, and then everything by it.
func (s *SinkConfig) UnmarshalYAML(unmarshal func(any) error) error {
	var all map[string]any
	if err := unmarshal(&all); err != nil {
		return err
	}
	kind, written := all["type"]
	if !written {
		s.problem = "is missing: " + sinkNames
		return nil
	}
	empty, known := sinkTypes[fmt.Sprint(kind)]
	if !known {
		s.problem = fmt.Sprintf("unknown type %q: "+sinkNames, fmt.Sprint(kind))
		return nil
	}
	s.sink = empty()
	return unmarshal(s.sink)
}

// sinkStructs are what sinks are decoded into.
func sinkStructs() (types []reflect.Type) {
	for _, empty := range sinkTypes {
		types = append(types, reflect.TypeOf(empty()))
	}
	return types
}

// checkSinks says which sinks are none, and which names cannot be part of a key.
func (c *Config) checkSinks(p *problems) {
	for _, name := range slices.Sorted(maps.Keys(c.Sinks)) {
		if problem := c.Sinks[name].problem; problem != "" {
			p.bad(key{"sinks", name, "type"}, "%s", problem)
		}
		if problem := verifier.PlainNameProblem(name); problem != "" {
			p.bad(key{"sinks", name}, "%s", problem)
		}
	}
}

// openSinks makes all sinks; it asks nobody. What is wrong with one is among the problems.
func (c *Config) openSinks(rt transport) map[string]sinks.Sink {
	out := map[string]sinks.Sink{}
	for _, name := range slices.Sorted(maps.Keys(c.Sinks)) {
		if c.Sinks[name].sink == nil {
			continue // its type is wrong
		}
		sink, err := c.Sinks[name].open(c, rt)
		if err != nil {
			c.problems.under(key{"sinks", name}, err)
			continue
		}
		out[name] = sink
	}
	return out
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
