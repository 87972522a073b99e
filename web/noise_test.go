package web

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"verifier"
)

func (k *kept) Noise(context.Context) ([]verifier.Noise, error) { return k.noise, nil }

func (k *kept) PutNoise(_ context.Context, n verifier.Noise) error {
	k.noise = append(k.noise, n)
	return nil
}

func (k *kept) RemoveNoise(context.Context, string, string, time.Time) error {
	k.noise = nil
	return nil
}

// TestNoise is added once however often it is said, and refused where it says nothing or all.
func TestNoise(t *testing.T) {
	k := &kept{}
	h := open(k)
	var ids []string
	for _, body := range []string{
		`{"pattern":"no rate for x","reason":"tests","services":["cart","a*"],"id":"mine","by":"me"}`,
		`{"pattern":"no rate for x","reason":"again","services":["a*","cart"]}`,
		`{"pattern":"no rate for x","reason":"everywhere"}`,
	} {
		w := ask(h, "POST", "/v1/noise", body, "Content-Type", "application/json")
		var n verifier.Noise
		if err := json.Unmarshal(w.Body.Bytes(), &n); err != nil || w.Code != http.StatusCreated || n.By != "local" || !n.At.Equal(noon) || n.Pattern != "NO RATE FOR X" || n.Services == nil {
			t.Errorf("%s answers %d %s", body, w.Code, w.Body)
		}
		ids = append(ids, n.ID)
	}
	if ids[0] != ids[1] || ids[0] == ids[2] || !strings.HasPrefix(ids[0], "noise-") {
		t.Errorf("ids %s", ids)
	}
	for body, fields := range map[string]string{
		`{}`: "pattern reason",
		`{"pattern":" ","reason":"\u0001","services":["","ok*"]}`:       "pattern reason services[0]",
		`{"pattern":"<*> <*>","reason":"x"}`:                            "pattern",
		`{"pattern":"` + strings.Repeat("x ", 2500) + `","reason":"x"}`: "pattern",
		`{"pattern":"x","reason":"x","service":"shop"}`:                 "service",
		`{"pattern":7,"reason":"x"}`:                                    "pattern",
	} {
		w := ask(h, "POST", "/v1/noise", body, "Content-Type", "application/json")
		for _, field := range strings.Fields(fields) {
			if w.Code != http.StatusUnprocessableEntity || !strings.Contains(w.Body.String(), `"field":"`+field+`"`) {
				t.Errorf("%.60s answers %d without %s: %s", body, w.Code, field, w.Body)
			}
		}
	}
	k.noise = k.noise[:2]
	k.noise[1].ID = "noise-z"
	if w := ask(h, "GET", "/v1/noise?limit=1&after="+ids[0], ""); !strings.Contains(w.Body.String(), "noise-z") || !strings.Contains(w.Body.String(), `"next":""`) {
		t.Errorf("the second page is %s", w.Body)
	}
	if w := ask(h, "DELETE", "/v1/noise/"+ids[0], ""); w.Code != http.StatusNoContent {
		t.Errorf("removing answers %d", w.Code)
	}
	if w := ask(h, "GET", "/v1/noise", ""); strings.TrimSpace(w.Body.String()) != `{"items":[],"next":""}` {
		t.Errorf("nothing is listed as %s", w.Body)
	}
}

// TestNoiseIsPressed shows new patterns with a button, for those who may press it, and what is known on a page.
func TestNoiseIsPressed(t *testing.T) {
	v := watchOf(verifier.FailedState, "")
	v.Findings[0].Patterns = []verifier.Pattern{{Template: "lost <*> " + nasty, Count: 12}}
	k := &kept{watches: map[string]verifier.Verification{"d/1": v}, tokens: map[string]verifier.Token{string(HashToken("look")): {Name: "looker", Scopes: []string{verifier.ScopeRead}}}}
	h := open(k)
	page := ask(h, "GET", "/verifications/d%2F1", "").Body.String()
	if !strings.Contains(page, `action="/verifications/d%2F1/noise"`) || !strings.Contains(page, `value="lost &lt;*&gt; &lt;script`) || !strings.Contains(page, "12 times") || strings.Contains(page, "<script") {
		t.Errorf("no button: %s", page)
	}
	looked := ask(h, "GET", "/verifications/d%2F1", "", "Authorization", "Bearer look").Body.String()
	if !strings.Contains(looked, "lost &lt;*&gt;") || strings.Contains(looked, "/noise\" class") {
		t.Errorf("who may only look sees: %s", looked)
	}
	press := func(path, header string, form url.Values) (int, string) {
		w := ask(h, "POST", path, form.Encode(), "Content-Type", "application/x-www-form-urlencoded", "Sec-Fetch-Site", "same-origin", "Authorization", header)
		return w.Code, w.Header().Get("Location")
	}
	form := url.Values{"pattern": {"lost <*> " + nasty}, "services": {"checkout"}, "reason": {"known"}}
	if code, _ := press("/verifications/d%2F1/noise", "Bearer look", form); code != http.StatusForbidden || len(k.noise) > 0 {
		t.Errorf("who may only look presses: %d", code)
	}
	if code, next := press("/verifications/d%2F1/noise", "", form); code != http.StatusSeeOther || next != "/verifications/d%2F1" || len(k.noise) != 1 || k.noise[0].Services[0] != "checkout" {
		t.Errorf("pressing answers %d %s, %+v", code, next, k.noise)
	}
	if code, _ := press("/noise", "", url.Values{"pattern": {"x"}}); code != http.StatusUnprocessableEntity {
		t.Errorf("without a reason: %d", code)
	}
	if page := ask(h, "GET", "/noise", "").Body.String(); !strings.Contains(page, "LOST &lt;*&gt;") || !strings.Contains(page, "/remove") || strings.Contains(page, "<script") {
		t.Errorf("the page is %s", page)
	}
	if code, next := press("/noise/"+k.noise[0].ID+"/remove", "", nil); code != http.StatusSeeOther || next != "/noise" || len(k.noise) > 0 {
		t.Errorf("removing answers %d %s", code, next)
	}
}
