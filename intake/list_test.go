package intake

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"verifier"
	"verifier/outbound"
)

// listedBy opens a hook whose tool answers as serve does, and lists what it did in the hour before noon.
func listedBy(t *testing.T, hook Hook, serve http.HandlerFunc) ([]Listed, error) {
	t.Helper()
	server := httptest.NewServer(serve)
	t.Cleanup(server.Close)
	hook.API.URL = strings.ReplaceAll(hook.API.URL, "SERVER", server.URL)
	if hook.API.URL == "" {
		hook.API.URL = server.URL
	}
	rt, err := outbound.New(outbound.Config{})
	if err != nil {
		t.Fatal(err)
	}
	hooks, err := NewHooks(Config{Hooks: map[string]Hook{"it": hook}, Transport: rt})
	if err != nil {
		t.Fatal(err)
	}
	return hooks.List(context.Background(), "it", noon.Add(-time.Hour), noon)
}

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// toldBy writes what was found, one line each.
func toldBy(t *testing.T, list []Listed, err error) string {
	t.Helper()
	if err != nil {
		return "error: " + err.Error()
	}
	var b strings.Builder
	for _, l := range list {
		if !strings.HasPrefix(l.Delivery.ID, verifier.FoundID) || l.Delivery.Tool != "it" {
			t.Errorf("delivery %+v", l.Delivery)
		}
		for _, d := range l.Deploys {
			fmt.Fprintf(&b, "%s %s|%s|%s|%s %s %s\n", d.ID, d.Service, d.Environment, d.Target, d.Version, d.Status, d.At.UTC().Format("15:04"))
		}
		switch {
		case l.Err != nil:
			fmt.Fprintln(&b, "unreadable:", l.Err)
		case l.Unmapped != "":
			fmt.Fprintln(&b, "unmapped")
		case l.Ignored != "":
			fmt.Fprintln(&b, "ignored")
		}
	}
	return b.String()
}

func asksWith(tool string, api API, entries ...map[string]string) Hook {
	h := Hook{Tool: tool, Secret: "s", Map: entries, API: &api}
	if tool != "github" && tools[tool].header == "" {
		h.Header = "X-Key"
	}
	api.Key = "k"
	return h
}

const octopusItem = `{"Id":"Events-%d","Category":%q,"Occurred":%q,"Username":"anna","SpaceId":"Spaces-1","RelatedDocumentIds":["Deployments-%[4]d","Projects-1","Releases-1","Environments-1"],
	"Message":"Deploy to Production of Shop 1.4.2","MessageReferences":[{"ReferencedDocumentId":"Projects-1","StartIndex":24,"Length":4},
	{"ReferencedDocumentId":"Releases-1","StartIndex":29,"Length":5},{"ReferencedDocumentId":"Environments-1","StartIndex":10,"Length":10}]}`

func TestListOctopus(t *testing.T) {
	var asked []string
	list, err := listedBy(t, asksWith("octopus", API{Projects: []string{"Spaces-1"}}), func(w http.ResponseWriter, r *http.Request) {
		asked = append(asked, r.URL.RequestURI())
		if r.Header.Get("X-Octopus-ApiKey") != "k" {
			http.Error(w, `{"ErrorMessage":"no"}`, http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		if r.URL.Query().Get("skip") == "" {
			fmt.Fprintf(w, `{"ItemType":"Event","TotalResults":3,"Items":[`+octopusItem+`,`+octopusItem+`],"Links":{"Page.Next":"/api/Spaces-1/events?skip=2"}}`,
				3, "DeploymentSucceeded", "2026-11-24T11:40:00.1234567+00:00", 7, 2, "DeploymentStarted", "2026-11-24T11:30:00Z", 7)
			return
		}
		fmt.Fprintf(w, `{"ItemType":"Event","TotalResults":3,"Items":[`+octopusItem+`],"Links":{}}`, 1, "DeploymentFailed", "2026-11-24T10:30:00Z", 6)
	})
	want := "it:Deployments-7 Shop|Production||1.4.2 started 11:30\nit:Deployments-7 Shop|Production||1.4.2 succeeded 11:40\n"
	if got := toldBy(t, list, err); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	if len(asked) != 2 || !strings.Contains(asked[0], "from=2026-11-24T11%3A00%3A00Z") || !strings.Contains(asked[0], "DeploymentSucceeded") {
		t.Errorf("asked %q", asked)
	}
}

func TestListTeamCity(t *testing.T) {
	const build = `{"id":%d,"buildTypeId":%q,"number":"1.4.2","status":%q,"state":%q,"startDate":"20261124T113000+0000","finishDate":"20261124T114000+0000"}`
	list, err := listedBy(t, asksWith("teamcity", API{URL: "SERVER/tc", Projects: []string{"Shop"}}, map[string]string{"build_type": "Shop_Deploy*", "service": "shop", "environment": "production"}),
		func(w http.ResponseWriter, r *http.Request) {
			locator := r.URL.Query().Get("locator")
			w.Header().Set("Content-Type", "application/json")
			switch {
			case r.Header.Get("Authorization") != "Bearer k" || r.URL.Path != "/tc/app/rest/builds":
				w.WriteHeader(http.StatusUnauthorized)
			case strings.Contains(locator, "state:running") && strings.Contains(locator, "affectedProject:(id:Shop)"):
				fmt.Fprintf(w, `{"count":1,"build":[`+build+`]}`, 9, "Shop_DeployProd", "SUCCESS", "running")
			case strings.Contains(locator, "finishDate:(date:20261124T110000+0000,condition:after)"):
				fmt.Fprintf(w, `{"nextHref":"/tc/app/rest/builds?locator=start:2","build":[`+build+`,`+build+`]}`, 8, "Shop_DeployProd", "SUCCESS", "finished", 7, "Shop_Test", "FAILURE", "finished")
			case locator == "start:2":
				fmt.Fprintf(w, `{"build":[`+build+`]}`, 6, "Shop_DeployProd", "FAILURE", "finished")
			default:
				w.WriteHeader(http.StatusNotFound)
			}
		})
	want := "unmapped\nit:9 shop|production||1.4.2 started 11:30\nit:8 shop|production||1.4.2 succeeded 11:40\nit:6 shop|production||1.4.2 failed 11:40\n"
	if got := toldBy(t, list, err); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

func TestListGitHub(t *testing.T) {
	const status = `{"id":%d,"state":%q,"environment":"production","created_at":%q}`
	hook := asksWith("github", API{Projects: []string{"acme/shop"}}, map[string]string{"workflow": "deploy", "environment": "staging"})
	list, err := listedBy(t, hook, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch r.URL.Path {
		case "/repos/acme/shop/deployments":
			fmt.Fprint(w, `[{"id":11,"sha":"abc","ref":"v1.4.2","environment":"production","created_at":"2026-11-24T11:20:00Z","updated_at":"2026-11-24T11:40:00Z"},
				{"id":10,"sha":"abb","ref":"v1.4.1","environment":"production","created_at":"2026-11-24T10:20:00Z","updated_at":"2026-11-24T10:40:00Z"}]`)
		case "/repos/acme/shop/deployments/11/statuses":
			fmt.Fprintf(w, `[`+status+`,`+status+`,`+status+`]`, 3, "success", "2026-11-24T11:40:00Z", 2, "in_progress", "2026-11-24T11:30:00Z", 1, "queued", "2026-11-24T10:59:00Z")
		case "/repos/acme/shop/actions/runs":
			fmt.Fprint(w, `{"total_count":1,"workflow_runs":[{"id":5,"run_attempt":1,"name":"deploy","path":".github/workflows/deploy.yml","conclusion":"success","head_sha":"abc",
				"head_branch":"v1.4.2","updated_at":"2026-11-24T11:50:00Z","repository":{"name":"shop","full_name":"acme/shop"}}]}`)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	})
	want := "it:11 shop|production||v1.4.2 started 11:30\nit:11 shop|production||v1.4.2 succeeded 11:40\nit:run/5/1 shop|staging||v1.4.2 succeeded 11:50\n"
	if got := toldBy(t, list, err); got != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
}

// TestListRefused says what to do about every answer that is no list.
func TestListRefused(t *testing.T) {
	for name, c := range map[string]struct {
		code int
		body string
		html bool
		want string
	}{
		"unauthorized": {401, `{"ErrorMessage":"You must be logged in"}`, false, "is hooks.it.api.key right"},
		"forbidden":    {403, `{}`, false, "what may the key of hooks.it.api read?"},
		"not found":    {404, `{}`, false, "are hooks.it.api.url and projects right?"},
		"busy":         {429, `{}`, false, "429"},
		"broken":       {500, `oops`, false, "500"},
		"a page":       {200, `<html>log in</html>`, true, "answered HTML"},
		"nothing":      {200, ``, false, "ask octopus for what was missed"},
		"another":      {200, `{"message":"hello"}`, false, "is api.url that of Octopus?"},
		"another page": {200, `{"Items":[],"Links":{"Page.Next":"http://elsewhere.example/api"}}`, false, "at another server"},
		"no event":     {200, `{"Items":[{}]}`, false, "an event of the list cannot be read: it has no id"},
	} {
		_, err := listedBy(t, asksWith("octopus", API{}), func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", map[bool]string{true: "text/html", false: "application/json"}[c.html])
			w.WriteHeader(c.code)
			fmt.Fprint(w, c.body)
		})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q in it", name, err, c.want)
		}
	}
}

func TestListConfig(t *testing.T) {
	for want, h := range map[string]Hook{
		"hooks.it: api: kubewatch has no list of what it deployed; take it out":     asksWith("kubewatch", API{URL: "http://x"}),
		"hooks.it: api.url is no address; write https://octopus.example.com":        asksWith("octopus", API{URL: "octopus"}),
		"hooks.it: api.projects is missing; write the repositories, like acme/shop": asksWith("github", API{}),
		"hooks.it: api.every: write 1s at least; 5m is the default":                 asksWith("octopus", API{URL: "http://x", Every: time.Millisecond}),
		"hooks.it: api.key is missing; write key_file":                              {Tool: "octopus", Header: "X", Secret: "s", API: &API{URL: "http://x"}},
	} {
		if _, err := NewHooks(Config{Hooks: map[string]Hook{"it": h}}); err == nil || err.Error() != want {
			t.Errorf("got %v\nwant %s", err, want)
		}
	}
}
