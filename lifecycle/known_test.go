package lifecycle

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"verifier"
)

func someKnown() Known {
	return Known{
		Catalogue: &verifier.Catalogue{
			Environments: []verifier.Environment{{Name: "production", Aliases: []string{"Prod", "live"}, Production: true}, {Name: "staging"}},
			Entries:      []verifier.Entry{{Match: verifier.Match{Service: "checkout"}, Aliases: []string{"Shop.Checkout.Web"}, Apply: func(s *verifier.Service) { s.Team = "payments" }}},
		},
		Places: []verifier.Deploy{{Place: verifier.Place{Service: "cart", Environment: "edge-eu", Target: "t1"}, Team: "web"}},
	}
}

func TestUnknownEnvironments(t *testing.T) {
	for name, want := range map[string]string{
		"production": "", "PRODUCTION": "", "prod": "", "Live": "", "edge-eu": "",
		"prodction": `unknown environment "prodction": verifier.yaml does not declare it and nothing was deployed there; did you mean "production"?`,
		"liv":       `did you mean "live"?`,
		"edge-us":   `did you mean "edge-eu"?`,
		"qa":        `known are edge-eu, production and staging`,
	} {
		err := someKnown().Environment("environment", name)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
	fresh := Known{Catalogue: &verifier.Catalogue{}}
	if err := fresh.Environment("environment", "prodction"); err == nil || !strings.Contains(err.Error(), "nothing was deployed yet") {
		t.Errorf("where nothing is known: %v", err)
	}
	if err := fresh.Environment("environment", "production"); err != nil {
		t.Errorf("the usual name where nothing is declared: %v", err)
	}
}

func TestScopeOfHolds(t *testing.T) {
	for _, c := range []struct {
		name     string
		hold     verifier.Hold
		want     verifier.Hold
		problems string
	}{
		{name: "everything"},
		{name: "names", hold: verifier.Hold{Environments: []string{"Production"}, Services: []string{"cart"}, Teams: []string{"web"}}, want: verifier.Hold{Environments: []string{"Production"}, Services: []string{"cart"}, Teams: []string{"web"}}},
		{name: "aliases", hold: verifier.Hold{Environments: []string{"live"}, Services: []string{"shop.checkout.web"}, Teams: []string{"payments"}}, want: verifier.Hold{Environments: []string{"production"}, Services: []string{"checkout"}, Teams: []string{"payments"}}},
		{name: "globs", hold: verifier.Hold{Environments: []string{"prod*", "edge-*", "liv?"}}, want: verifier.Hold{Environments: []string{"prod*", "edge-*", "production"}}},
		{name: "a mistyped environment", hold: verifier.Hold{Environments: []string{"staging", "prodction"}}, problems: `environments[1]: unknown environment "prodction": verifier.yaml does not declare it and nothing was deployed there; did you mean "production"?`},
		{name: "a glob of nothing", hold: verifier.Hold{Environments: []string{"prd*"}}, problems: `environments[0]: "prd*" matches no known environment; known are edge-eu, production and staging`},
		{name: "services and teams that may come", hold: verifier.Hold{Services: []string{"chekout", "pay*"}, Teams: []string{"wbe"}}, want: verifier.Hold{
			Services: []string{"chekout", "pay*"}, Teams: []string{"wbe"},
			Warnings: []string{`no known service matches "chekout"; did you mean "checkout"?`, `no known service matches "pay*"`, `no known team matches "wbe"; did you mean "web"?`},
		}},
	} {
		err := someKnown().Scope(&c.hold)
		if c.problems != "" {
			if err == nil || err.Error() != c.problems {
				t.Errorf("%s: %v, want %s", c.name, err, c.problems)
			}
			continue
		}
		if diff := cmp.Diff(c.want, c.hold); err != nil || diff != "" {
			t.Errorf("%s: %v %s", c.name, err, diff)
		}
	}
}
