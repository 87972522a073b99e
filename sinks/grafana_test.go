package sinks

import (
	"net/url"
	"testing"

	"verifier"
)

func grafanaOpen(t *testing.T, url string) (Sink, error) {
	return NewGrafana(GrafanaConfig{URL: url + "/grafana/", Token: "hush", DashboardUID: "shop", PanelID: 3, Tags: []string{"team:payments"}}, wayOut(t))
}

func TestGrafanaAnnotation(t *testing.T) {
	there := `[]`
	f := newFake(t, func(c call) (int, string) {
		if c.Method == "GET" {
			return 200, there
		}
		return 200, `{"message":"Annotation added","id":9}`
	})
	s, err := grafanaOpen(t, f.URL)
	if err != nil {
		t.Fatal(err)
	}
	said, err := s.Write(t.Context(), order(verifier.FailedState))
	if err != nil || said != "annotation 9" {
		t.Fatal(said, err)
	}
	calls := f.only(t, 2)
	if want := "/grafana/api/annotations?limit=1&tags=" + url.QueryEscape("key:sink/out/github:42/failed") + "&type=annotation"; calls[0].Path != want {
		t.Errorf("looked at %s, want %s", calls[0].Path, want)
	}
	if c := calls[1]; c.Method != "POST" || c.Path != "/grafana/api/annotations" || c.Header.Get("Authorization") != "Bearer hush" {
		t.Errorf("%+v", c)
	}
	sameJSON(t, calls[1].Body, `{"dashboardUID":"shop","panelId":3,"time":1795521600000,"timeEnd":1795521900000,
		"tags":["verifier","failed","service:checkout","environment:production","version:1.4.2","key:sink/out/github:42/failed","team:payments"],
		"text":"checkout 1.4.2 in production: failed. Error ratio 3.1 %; 0.4 % before.\nhttps://v/verifications/github:42"}`)

	there = `[{"id":9}]` // the answer was lost, and it is tried again
	said, err = s.Write(t.Context(), order(verifier.FailedState))
	if err != nil || said != "annotation 9 is there" {
		t.Error(said, err)
	}
	f.only(t, 3)
}

func TestGrafanaRetries(t *testing.T) {
	checkRetries(t, func(url string) (Sink, error) { return grafanaOpen(t, url) }, order(verifier.Passed), map[string]bool{
		"401 no": false, "403 no": false, "404 no": false, "429 later": true, "500 x": true, "200 <html>": false,
	})
}

func TestGrafanaConfig(t *testing.T) {
	bad := func(c GrafanaConfig) error { _, err := NewGrafana(c, nil); return err }
	checkProblems(t, map[string]error{
		"url: is missing":                        bad(GrafanaConfig{Token: "x"}),
		"token: is missing; write token_file":    bad(GrafanaConfig{URL: "http://g"}),
		"dashboard_uid: is missing; panel_id is": bad(GrafanaConfig{URL: "http://g", Token: "x", PanelID: 1}),
		"panel_id: -1 is negative":               bad(GrafanaConfig{URL: "http://g", Token: "x", PanelID: -1}),
		"token: secret: is given twice":          bad(GrafanaConfig{URL: "http://g", Token: "x", TokenFile: "y"}),
	})
	s, err := NewGrafana(GrafanaConfig{URL: "http://g", Token: "x"}, nil)
	if err != nil || wants(s) != allVerdicts {
		t.Errorf("%v, wants %q", err, wants(s))
	}
}
