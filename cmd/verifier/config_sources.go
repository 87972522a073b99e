package main

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"

	"verifier"
	"verifier/lifecycle"
	"verifier/outbound"
	"verifier/rules"
	"verifier/sources"
)

// SourceConfig is one source: its type says whose configuration the other keys are.
type SourceConfig struct {
	source

	problem string // with the type
}

// source is the configuration of one type: it makes the client, and knows what a measure may be before anything is asked.
type source interface {
	backend(*Config) (sources.Backend, error)
	check() rules.CheckMeasure
}

// sourceTypes are all types by the names that users write.
var sourceTypes = map[string]func() source{
	"by_environment": func() source { return &byEnvironmentSource{} },
	"command":        func() source { return &commandSource{} },
	"elasticsearch":  func() source { return &elasticsearchSource{} },
	"embedded":       func() source { return &embeddedSource{} },
	"files":          func() source { return &filesSource{} },
	"http":           func() source { return &httpSource{} },
	"loki":           func() source { return &lokiSource{} },
	"newrelic":       func() source { return &newRelicSource{} },
	"prometheus":     func() source { return &prometheusSource{} },
}

type commandSource struct {
	Type                  string `yaml:"type"`
	sources.CommandConfig `yaml:",inline"`
}

func (s *commandSource) check() rules.CheckMeasure { return sources.CheckCommand }

func (s *commandSource) backend(c *Config) (sources.Backend, error) {
	p := s.CommandConfig
	p.Dir = c.relative(orDefault(p.Dir, "."))
	return sources.NewCommand(p)
}

type elasticsearchSource struct {
	Type                        string `yaml:"type"`
	sources.ElasticsearchConfig `yaml:",inline"`
}

func (s *elasticsearchSource) check() rules.CheckMeasure { return sources.CheckElasticsearch }

func (s *elasticsearchSource) backend(c *Config) (sources.Backend, error) {
	e := s.ElasticsearchConfig
	e.APIKeyFile, e.PasswordFile, e.CAFile = c.relative(e.APIKeyFile), c.relative(e.PasswordFile), c.relative(e.CAFile)
	return sources.NewElasticsearch(e, nil)
}

type filesSource struct {
	Type                string `yaml:"type"`
	sources.FilesConfig `yaml:",inline"`
}

func (s *filesSource) check() rules.CheckMeasure { return sources.CheckFiles }

func (s *filesSource) backend(c *Config) (sources.Backend, error) {
	f := s.FilesConfig
	f.Path = c.relative(f.Path)
	return sources.NewFiles(f)
}

type httpSource struct {
	Type               string `yaml:"type"`
	sources.HTTPConfig `yaml:",inline"`
}

func (s *httpSource) check() rules.CheckMeasure { return sources.CheckHTTP }

func (s *httpSource) backend(c *Config) (sources.Backend, error) {
	return sources.NewHTTP(sources.HTTPConfig{ServerConfig: c.server(s.ServerConfig)}, nil)
}

type lokiSource struct {
	Type               string `yaml:"type"`
	sources.LokiConfig `yaml:",inline"`
}

func (s *lokiSource) check() rules.CheckMeasure { return sources.CheckLoki }

func (s *lokiSource) backend(c *Config) (sources.Backend, error) {
	return sources.NewLoki(sources.LokiConfig{ServerConfig: c.server(s.ServerConfig), Tenant: s.Tenant}, nil)
}

type newRelicSource struct {
	Type                   string `yaml:"type"`
	sources.NewRelicConfig `yaml:",inline"`
}

func (s *newRelicSource) check() rules.CheckMeasure { return sources.CheckNewRelic }

func (s *newRelicSource) backend(c *Config) (sources.Backend, error) {
	n := s.NewRelicConfig
	n.APIKeyFile, n.CAFile = c.relative(n.APIKeyFile), c.relative(n.CAFile)
	return sources.NewNewRelic(n, nil)
}

type prometheusSource struct {
	Type                     string `yaml:"type"`
	sources.PrometheusConfig `yaml:",inline"`
}

func (s *prometheusSource) check() rules.CheckMeasure { return sources.CheckPrometheus }

func (s *prometheusSource) backend(c *Config) (sources.Backend, error) {
	return sources.NewPrometheus(c.server(s.PrometheusConfig), nil)
}

// server has its files beside the configuration.
func (c *Config) server(s sources.ServerConfig) sources.ServerConfig {
	s.BearerTokenFile, s.PasswordFile, s.CAFile = c.relative(s.BearerTokenFile), c.relative(s.PasswordFile), c.relative(s.CAFile)
	return s
}

// UnmarshalYAML reads the type first, and then everything by it.
func (s *SourceConfig) UnmarshalYAML(unmarshal func(any) error) error {
	var all map[string]any
	if err := unmarshal(&all); err != nil {
		return err
	}
	kind, written := all["type"]
	empty, known := sourceTypes[fmt.Sprint(kind)]
	switch {
	case !written || kind == nil:
		s.problem = "is missing: use " + sourceNames()
		return nil
	case !known:
		s.problem = fmt.Sprintf("unknown type %q: use %s", kind, sourceNames())
		return nil
	}
	s.source = empty()
	return unmarshal(s.source)
}

// sourceNames are the types in words: a, b or c.
func sourceNames() string {
	names := slices.Sorted(maps.Keys(sourceTypes))
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// sourceStructs are what sources are decoded into.
func sourceStructs() (types []reflect.Type) {
	for _, empty := range sourceTypes {
		types = append(types, reflect.TypeOf(empty()))
	}
	return types
}

// backends makes the clients of all sources; it asks nobody. What is wrong with one is among the problems.
func (c *Config) backends(observe func(source, result string, took time.Duration)) map[string]*sources.Limited {
	out := map[string]*sources.Limited{}
	for _, name := range slices.Sorted(maps.Keys(c.Sources)) {
		if c.Sources[name].source == nil {
			continue // its type is wrong
		}
		backend, err := c.Sources[name].backend(c)
		if err != nil {
			c.problems.under(key{"sources", name}, err)
			continue
		}
		out[name] = sources.Limit(name, backend, observe)
	}
	return out
}

// checks are what each source says of a measure before anything is asked; nil where it is not known which sources there are.
func (c *Config) checks() map[string]rules.CheckMeasure {
	out := map[string]rules.CheckMeasure{}
	for _, k := range c.problems.refused {
		switch {
		case len(k) == 1 && k[0] == "sources":
			return nil
		case len(k) == 2 && k[0] == "sources":
			out[fmt.Sprint(k[1])] = anyMeasure
		}
	}
	for name, s := range c.Sources {
		if s.source == nil {
			out[name] = anyMeasure
			continue
		}
		out[name] = s.check()
	}
	return out
}

// anyMeasure is the check of a source whose type is wrong: nothing more is said of the rules that measure by it.
func anyMeasure(verifier.Measure) (time.Duration, error) { return 0, nil }

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
