package sinks

import (
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"

	"verifier"
)

// Names of services and environments come from outside, and each pair costs some thirty series: so many pairs are told apart, and so
// many bytes of a name are shown. What is beyond is counted together.
const (
	mostPlaces = 1000
	mostLabel  = 100
	otherLabel = "_other"
)

// place is a service and an environment as labels.
type place struct{ service, environment string }

type places struct {
	mu    sync.Mutex
	known map[place]bool
}

// Known begins the counters of recorded places at 0: a counter that first appears with 1 never increases for Prometheus.
func (p *Prometheus) Known(deploys []verifier.Deploy) {
	for _, d := range deploys {
		p.place(d.Place)
	}
}

// place gives the labels of a place, and begins its counters at 0 when it is new.
func (p *Prometheus) place(at verifier.Place) place {
	out := place{label(at.Service), label(at.Environment)}
	p.places.mu.Lock()
	defer p.places.mu.Unlock()
	if p.places.known[out] {
		return out
	}
	if len(p.places.known) >= mostPlaces {
		out = place{otherLabel, otherLabel}
	}
	if !p.places.known[out] {
		p.places.known[out] = true
		p.begin(out)
	}
	return out
}

func (p *Prometheus) begin(at place) {
	labels := []string{at.service, at.environment}
	for _, kind := range []verifier.Kind{verifier.KindRelease, verifier.KindRollback, verifier.KindRedeploy} {
		zero(p.deploys, append(slices.Clone(labels), string(kind)), verifier.Statuses...)
	}
	zero(p.verifications, labels, verifier.States...)
	zero(p.rollbacks, labels, verifier.RollbackStates...)
	p.overdue.WithLabelValues(labels...)
}

// zero makes a counter for each value of the last label.
func zero[T ~string](of *prometheus.CounterVec, labels []string, last ...T) {
	for _, value := range last {
		of.WithLabelValues(append(slices.Clone(labels), string(value))...)
	}
}

func label(name string) string {
	if name = strings.ToValidUTF8(name, "�"); len(name) <= mostLabel {
		return name
	}
	cut := mostLabel
	for !utf8.RuneStart(name[cut]) {
		cut--
	}
	return name[:cut] + "…"
}
