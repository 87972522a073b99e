package record

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"verifier"
	"verifier/words"
)

// PerHostWithin is how far apart two events of one deploy that goes host by host may be.
const PerHostWithin = 30 * time.Minute

// PerHost are the others that look like further hosts of the deploy: of the same version and place, near in time, on other hosts or
// where nobody said which, and all without an id, so that each counts as a deploy.
func PerHost(d verifier.Deploy, others []verifier.Deploy) []verifier.Deploy {
	var out []verifier.Deploy
	for _, o := range others {
		if o.ID != d.ID && alikeButForHosts(d, o) && d.At.Sub(o.At).Abs() <= PerHostWithin {
			out = append(out, o)
		}
	}
	return out
}

func alikeButForHosts(d, o verifier.Deploy) bool {
	if !d.WithoutID || !o.WithoutID || d.Void || o.Void || d.Key() != o.Key() || d.Change != o.Change || !Same(d.Version, o.Version) {
		return false
	}
	if len(d.Hosts) == 0 || len(o.Hosts) == 0 {
		return len(d.Hosts) == len(o.Hosts)
	}
	return !slices.ContainsFunc(d.Hosts, func(h string) bool { return slices.Contains(o.Hosts, h) })
}

// perHostRemedy is what to do about it.
const perHostRemedy = `If they are one deploy, host by host, send the same "id" with each event (docs/rolling.md)`

// PerHostNote is what the sender of a deploy without an id is told, once for each version: at the second event.
func PerHostNote(d verifier.Deploy, others []verifier.Deploy) string {
	near := PerHost(d, others)
	if len(near) != 1 {
		return ""
	}
	return fmt.Sprintf(`2 events of %s %s in %s without an "id" count as 2 deploys. %s.`, d.Service, d.Version, d.Where(), perHostRemedy)
}

// PerHostNotes says it once for each place where it happened, of the latest version, out of deploys in any order.
func PerHostNotes(deploys []verifier.Deploy) []string {
	deploys = slices.Clone(deploys)
	Sort(deploys)
	slices.Reverse(deploys)
	said := map[string]bool{}
	var notes []string
	for i, d := range deploys {
		if said[d.Key()] {
			continue
		}
		run := perHostRun(d, deploys[i+1:])
		if len(run) < 2 {
			continue
		}
		said[d.Key()] = true
		hosts := ""
		if names := hostsOf(run); len(names) > 0 {
			hosts = " (" + words.List(names, 5) + ")"
		}
		notes = append(notes, fmt.Sprintf(`%d events of %s %s in %s%s without an "id" count as %d deploys. %s`, len(run), d.Service, d.Version, d.Where(), hosts,
			len(run), perHostRemedy))
	}
	slices.Sort(notes)
	return notes
}

// perHostRun is the deploy with those before it, newest first, that go on from one to the next.
func perHostRun(d verifier.Deploy, before []verifier.Deploy) []verifier.Deploy {
	run := []verifier.Deploy{d}
	for _, o := range before {
		fits := !slices.ContainsFunc(run, func(r verifier.Deploy) bool { return !alikeButForHosts(r, o) })
		if fits && run[len(run)-1].At.Sub(o.At) <= PerHostWithin {
			run = append(run, o)
		}
	}
	return run
}

func hostsOf(run []verifier.Deploy) []string {
	var hosts []string
	for _, d := range run {
		hosts = append(hosts, d.Hosts...)
	}
	slices.SortFunc(hosts, strings.Compare)
	return slices.Compact(hosts)
}
