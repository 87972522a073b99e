package record_test

import (
	"testing"

	"verifier"
	"verifier/record"
)

func TestMissed(t *testing.T) {
	hosts := func(h ...string) func(*verifier.Deploy) { return func(d *verifier.Deploy) { d.Hosts = h } }
	other := func(d *verifier.Deploy) { d.Version, d.By = "1.4.2", "ben" }
	const begun, ok, bad = verifier.Started, verifier.Succeeded, verifier.Failed
	for name, c := range map[string]struct {
		known *verifier.Deploy
		fact  verifier.Deploy
		want  bool
	}{
		"nothing known":            {nil, fact(begun, 0), true},
		"its end":                  {ptr(fact(begun, 0)), fact(ok, 5), true},
		"its failure":              {ptr(fact(begun, 0)), fact(bad, 5), true},
		"the same end":             {ptr(fact(ok, 5)), fact(ok, 5, other), false},
		"the same end, said later": {ptr(fact(ok, 5)), fact(ok, 6), false},
		"tried again":              {ptr(fact(bad, 5)), fact(ok, 8), true},
		"an earlier try":           {ptr(fact(ok, 8)), fact(bad, 5), false},
		"its start, after its end": {ptr(fact(ok, 5)), fact(begun, 0), false},
		"its start again":          {ptr(fact(begun, 0)), fact(begun, 1), false},
		"another host":             {ptr(fact(ok, 5, hosts("a"))), fact(ok, 5, hosts("b")), true},
		"the same host":            {ptr(fact(ok, 5, hosts("a"))), fact(ok, 6, hosts("a")), false},
		"another version":          {ptr(fact(begun, 5)), fact(ok, 6, func(d *verifier.Deploy) { d.Version = "2" }), false},
		"voided by a person":       {ptr(fact(begun, 5, func(d *verifier.Deploy) { d.Void = true })), fact(ok, 6), false},
	} {
		if got := record.Missed(c.known, c.fact); got != c.want {
			t.Errorf("%s: missed %v, want %v", name, got, c.want)
		}
	}
}
