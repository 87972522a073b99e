package main

import (
	"maps"
	"path/filepath"
	"slices"

	"verifier/rules"
	"verifier/sources"
)

// defaultData is where an embedded source keeps its time series, beside the configuration.
const defaultData = "./verifier.metrics"

type embeddedSource struct {
	Type                   string `yaml:"type"`
	sources.EmbeddedConfig `yaml:",inline"`
}

func (s *embeddedSource) check() rules.CheckMeasure { return sources.CheckPrometheus }

func (s *embeddedSource) backend(c *Config) (sources.Backend, error) {
	e := s.EmbeddedConfig
	e.Data = s.folder(c)
	e.Pages = slices.Clone(e.Pages)
	for i, p := range e.Pages {
		e.Pages[i].BearerTokenFile, e.Pages[i].CAFile = c.relative(p.BearerTokenFile), c.relative(p.CAFile)
	}
	return sources.NewEmbedded(e)
}

// folder is where its time series are.
func (s *embeddedSource) folder(c *Config) string {
	return filepath.Clean(c.relative(orDefault(s.Data, defaultData)))
}

// checkFolders says which embedded sources would write into one folder: the second could not open it.
func (c *Config) checkFolders(p *problems) {
	owners := map[string]string{}
	var check func(at key, s SourceConfig)
	check = func(at key, s SourceConfig) {
		switch s := s.source.(type) {
		case *embeddedSource:
			folder := s.folder(c)
			if other, taken := owners[folder]; taken {
				p.bad(append(at, "data"), "%s is the folder of %s too: use another folder for one of them", orDefault(s.Data, defaultData), other)
				return
			}
			owners[folder] = at.String()
		case *byEnvironmentSource:
			for _, name := range slices.Sorted(maps.Keys(s.Environments)) {
				check(append(slices.Clone(at), "environments", name), s.Environments[name])
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Sources)) {
		check(key{"sources", name}, c.Sources[name])
	}
}
