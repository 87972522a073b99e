package sources

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"verifier"
)

// TestEmbeddedScrapesAndAnswers from its page, hands its running parts over, and ends with its last owner.
func TestEmbeddedScrapesAndAnswers(t *testing.T) {
	page := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "# TYPE load gauge\nload{service=\"check.out\"} 0.5\nload{service=\"cart\"} 3\n")
	}))
	defer page.Close()
	log := slog.New(slog.DiscardHandler)
	open := func(every time.Duration, folder string) map[string]*Limited {
		e, err := NewEmbedded(EmbeddedConfig{Pages: []PageConfig{{URL: page.URL + "/metrics", Job: "shop", Labels: map[string]string{"host": "web1"}}}, Every: every, Data: folder})
		if err != nil {
			t.Fatal(err)
		}
		return map[string]*Limited{"metrics": Limit("metrics", e, nil)}
	}
	one := func(list map[string]*Limited, text string) verifier.Answer {
		to := time.Now().Truncate(time.Second)
		q := verifier.Question{Measure: verifier.Measure{PromQL: text}, Subject: shop, From: to.Add(-2 * time.Second), To: to, Step: time.Second}
		return list["metrics"].Backend.Ask(t.Context(), []verifier.Question{q})[0]
	}
	folder := t.TempDir()
	first := open(200*time.Millisecond, folder)
	if a := one(first, "load"); a.Err == nil || !strings.Contains(a.Err.Error(), "it does not run") {
		t.Errorf("before it runs: %+v", a)
	}
	if err := TakeOver(nil, first, log); err != nil {
		t.Fatal(err)
	}
	const query = `load{service="{{.Service}}",job="shop",host="web1"}`
	var a verifier.Answer
	for end := time.Now().Add(60 * time.Second); len(a.Samples) == 0 && time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if a = one(first, query); a.Err != nil {
			t.Fatal(a.Err)
		}
	}
	if len(a.Samples) == 0 || a.Samples[0].Value != 0.5 {
		t.Fatalf("got %+v", a)
	}
	if a := one(first, "load"); a.Err == nil || !strings.Contains(a.Err.Error(), "gives 2 series") {
		t.Errorf("two series: %v", a.Err)
	}
	second := open(200*time.Millisecond, folder)
	if err := TakeOver(first, second, log); err != nil {
		t.Fatal(err)
	}
	if a := one(second, query); a.Err != nil || len(a.Samples) == 0 {
		t.Errorf("taken over: %+v", a)
	}
	third := open(300*time.Millisecond, folder) // the same folder, opened anew
	if err := TakeOver(second, third, log); err != nil {
		t.Fatal(err)
	}
	if a := one(third, query); a.Err != nil || len(a.Samples) == 0 {
		t.Errorf("what was scraped before is gone: %+v", a)
	}
	if err := TakeOver(third, nil, log); err != nil {
		t.Error(err)
	}
	for _, c := range []EmbeddedConfig{{}, {Pages: []PageConfig{{URL: "x"}}}, {Pages: []PageConfig{{URL: "http://u:p@x/"}}}, {Pages: []PageConfig{{URL: "http://x/"}}, Every: -1}} {
		if _, err := NewEmbedded(c); !errors.Is(err, verifier.ErrInvalid) {
			t.Errorf("%+v: %v", c, err)
		}
	}
}
