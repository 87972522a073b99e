package lifecycle

import (
	"fmt"
	"slices"
	"strings"

	"verifier"
	"verifier/words"
)

// Known is which names exist: those that the configuration declares and those of recorded deploys. What decides or narrows something
// by a name that nobody knows would do so for nothing, and silently.
type Known struct {
	Catalogue *verifier.Catalogue
	Declared  []string          // environments that the configuration names outside the catalogue
	Places    []verifier.Deploy // one deploy of each recorded place
}

// Environment refuses an environment that nobody declared or deployed to, with the nearest name. Its error is of that field.
func (k Known) Environment(field, name string) error {
	known := k.environments()
	name = k.Catalogue.Canonical(verifier.Place{Environment: name}).Environment
	usual := len(k.Catalogue.Environments) == 0 && k.Catalogue.Production(name) // nothing is declared: the usual names stand for production
	if usual || contains(known, name) {
		return nil
	}
	return verifier.Invalid(field, "%s", unknown("environment", name, append(known, k.aliases()...), known))
}

// Service says what is wrong with a service that the catalogue does not name and that was never deployed; empty for nothing.
func (k Known) Service(name string) string {
	known := k.services()
	if contains(known, name) || contains(known, k.Catalogue.Canonical(verifier.Place{Service: name}).Service) {
		return ""
	}
	return unknown("service", name, known, nil)
}

// unknown says that a name is unknown: the nearest one where it may be mistyped, else those that exist.
func unknown(what, name string, near, known []string) string {
	if len(near) == 0 {
		return fmt.Sprintf("unknown %s %q: verifier.yaml declares none and nothing was deployed yet", what, name)
	}
	text := fmt.Sprintf("unknown %s %q: verifier.yaml does not declare it and nothing was deployed there", what, name)
	if what == "service" {
		text = fmt.Sprintf("unknown %s %q: verifier.yaml does not name it and it was never deployed", what, name)
	}
	switch guess := words.DidYouMean(name, near); {
	case guess != "":
		return text + guess
	case len(known) > 0:
		return text + "; known are " + words.List(known, 5)
	}
	return text
}

// Scope writes the names of a hold as they are recorded. It refuses environments that match nothing and warns of services and teams
// that do: those may still come.
func (k Known) Scope(h *verifier.Hold) error {
	var bad []verifier.FieldError
	var environments []string
	for i, glob := range h.Environments {
		found, problem := k.scoped(glob)
		if problem != "" {
			bad = append(bad, verifier.FieldError{Field: fmt.Sprintf("environments[%d]", i), Problem: problem})
		}
		environments = append(environments, found...)
	}
	if len(bad) > 0 {
		return &verifier.InvalidError{Fields: bad}
	}
	if len(h.Environments) > 0 {
		h.Environments = environments
	}
	services, teams := k.services(), k.teams()
	for i, glob := range h.Services {
		if !isGlob(glob) {
			h.Services[i] = k.Catalogue.Canonical(verifier.Place{Service: glob}).Service
		}
		h.Warnings = append(h.Warnings, matchesNone("service", h.Services[i], services)...)
	}
	for _, glob := range h.Teams {
		h.Warnings = append(h.Warnings, matchesNone("team", glob, teams)...)
	}
	return nil
}

// scoped are the recorded names that a glob over environments stands for: itself, or those of which it matches an alias.
func (k Known) scoped(glob string) (names []string, problem string) {
	known := k.environments()
	if matchesAny(glob, known) {
		return []string{glob}, ""
	}
	for _, e := range k.Catalogue.Environments {
		if matchesAny(glob, e.Aliases) {
			names = append(names, e.Name)
		}
	}
	switch {
	case len(names) > 0:
		return names, ""
	case isGlob(glob) && len(known) > 0:
		return nil, fmt.Sprintf("%q matches no known environment; known are %s", glob, words.List(known, 5))
	}
	return nil, unknown("environment", glob, append(known, k.aliases()...), known)
}

func matchesNone(what, glob string, known []string) []string {
	if matchesAny(glob, known) {
		return nil
	}
	text := fmt.Sprintf("no known %s matches %q", what, glob)
	if !isGlob(glob) {
		text += words.DidYouMean(glob, known)
	}
	return []string{text}
}

func matchesAny(glob string, names []string) bool {
	return slices.ContainsFunc(names, func(name string) bool { return verifier.Glob(glob, name) })
}

func isGlob(s string) bool { return strings.ContainsAny(s, "*?") }

func (k Known) environments() []string {
	names := slices.Clone(k.Declared)
	for _, e := range k.Catalogue.Environments {
		names = append(names, e.Name)
	}
	for _, e := range k.Catalogue.Entries {
		if m := e.Match.Environment; m != "" && !isGlob(m) {
			names = append(names, k.Catalogue.Canonical(verifier.Place{Environment: m}).Environment)
		}
	}
	for _, d := range k.Places {
		names = append(names, d.Environment)
	}
	return distinct(names)
}

func (k Known) aliases() (names []string) {
	for _, e := range k.Catalogue.Environments {
		names = append(names, e.Aliases...)
	}
	return names
}

func (k Known) services() []string {
	names := k.Catalogue.ServiceNames()
	for _, e := range k.Catalogue.Entries {
		names = append(names, e.Aliases...)
	}
	for _, d := range k.Places {
		names = append(names, d.Service)
	}
	return distinct(names)
}

func (k Known) teams() (names []string) {
	add := func(p verifier.Place, team string) {
		if t := k.Catalogue.Service(p, team).Team; t != "" {
			names = append(names, t)
		}
	}
	for _, service := range k.Catalogue.ServiceNames() {
		for _, environment := range append(k.environments(), "") {
			add(verifier.Place{Service: service, Environment: environment}, "")
		}
	}
	for _, d := range k.Places {
		add(d.Place, d.Team)
	}
	return distinct(names)
}

// distinct sorts names, and keeps one of those that differ by case alone.
func distinct(names []string) []string {
	slices.SortFunc(names, func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) })
	return slices.CompactFunc(names, strings.EqualFold)
}
