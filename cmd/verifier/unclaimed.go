package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"verifier"
)

// Unclaimed is a recorded name that the configuration does not know.
type Unclaimed struct {
	Kind    string `json:"kind"` // service or environment
	Name    string `json:"name"`
	Nearest string `json:"nearest"` // the name that may have been meant; empty where none is near
}

// unclaimed lists the names of recorded places that no entry of the catalogue claims. Where none of a kind is configured, none is
// missed.
func unclaimed(ctx context.Context, places interface {
	Places(context.Context) ([]verifier.Deploy, error)
}, catalogue *verifier.Catalogue,
) ([]Unclaimed, error) {
	recorded, err := places.Places(ctx)
	if err != nil {
		return nil, err
	}
	var environments []string
	for _, e := range catalogue.Environments {
		environments = append(environments, e.Name)
	}
	services, out, told := catalogue.ServiceNames(), []Unclaimed{}, map[string]bool{}
	miss := func(kind, name string, known []string, near string) {
		if key := kind + strings.ToLower(name); len(known) > 0 && !told[key] {
			told[key] = true
			out = append(out, Unclaimed{kind, name, near})
		}
	}
	for _, d := range recorded {
		if !catalogue.Service(d.Place, d.Team).Claimed {
			miss("service", d.Service, services, nearestService(catalogue, d.Service))
		}
		if !containsFold(environments, d.Environment) {
			miss("environment", d.Environment, environments, nearest(d.Environment, environments))
		}
	}
	return out, nil
}

func containsFold(list []string, s string) bool {
	for _, l := range list {
		if strings.EqualFold(l, s) {
			return true
		}
	}
	return false
}

func printUnclaimed(w io.Writer, list []Unclaimed) {
	for _, u := range list {
		fmt.Fprintf(w, "unclaimed  %s %s", u.Kind, u.Name)
		if u.Nearest != "" {
			fmt.Fprintf(w, "  (did you mean %s? an entry or alias in verifier.yaml moves its history there)", u.Nearest)
		}
		fmt.Fprintln(w)
	}
}
