package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"verifier"
)

// TestIdentity goes through what makes facts one deploy, line by line.
func TestIdentity(t *testing.T) {
	f := openFront(t, strings.Replace(frontConfig, "production: true}", "aliases: [Prod, live], production: true}", 1)+
		"services: [{match: {service: checkout}, team: payments, aliases: [Shop.Checkout], names: {octopus: Checkout.Web, logs: checkout-web}}]\n", frontRules)
	defer f.stop()
	post := func(fields string, want int) (answer string) {
		t.Helper()
		body := "{" + fields + "}"
		if !strings.Contains(fields, `"service"`) {
			body = `{"service":"checkout","environment":"production","version":"1.1",` + fields + "}"
		}
		if code := f.ask("POST", "/v1/deploys", body, &answer); code != want {
			t.Errorf("%s answers %d %s, want %d", body, code, answer, want)
		}
		return answer
	}
	deploy := func(name string) (d verifier.Deploy) {
		t.Helper()
		if code := f.ask("GET", "/v1/deploys/"+name, "", &d); code != http.StatusOK {
			t.Errorf("deploy %s answers %d", name, code)
		}
		return d
	}
	begun := time.Now().UTC().Truncate(time.Minute)
	at := func(minute int) string { return begun.Add(time.Duration(minute-30) * time.Minute).Format(time.RFC3339) }

	// An end arrives before its start; hosts are united, what is empty is not said, the catalogue's team gives way to the event's.
	post(`"id":"a","at":"`+at(5)+`","hosts":["web2"],"rollback":{"allowed":false,"reason":"schema"}`, 202)
	post(`"id":"a","at":"`+at(1)+`","status":"started","hosts":["web1"],"by":"anna","rollback":{"allowed":true}`, 202)
	post(`"id":"a","at":"`+at(1)+`","status":"started"`, 200)
	d := deploy("a")
	if d.Status != verifier.Succeeded || d.At.Format(time.RFC3339) != at(5) || d.StartedAt == nil || d.StartedAt.Format(time.RFC3339) != at(1) ||
		!slices.Equal(d.Hosts, []string{"web1", "web2"}) || d.By != "anna" || d.Team != "payments" || !d.Irreversible() {
		t.Errorf("joined: %+v", d)
	}
	post(`"id":"a","at":"`+at(2)+`","team":"web","status":"started"`, 202)
	if d := deploy("a"); d.Team != "web" {
		t.Errorf("the event's team: %+v", d)
	}
	post(`"id":"a","at":"`+at(4)+`","status":"failed"`, 200) // of two ends the later counts
	if answer := post(`"id":"a","at":"`+at(6)+`","status":"failed"`, 202); !strings.Contains(answer, `"verification":"a","state":"`) {
		t.Errorf("answered %s", answer)
	}
	if d := deploy("a"); d.Status != verifier.Failed || d.At.Format(time.RFC3339) != at(6) {
		t.Errorf("of two ends the later: %+v", d)
	}

	// Another place, version or change is a conflict that names the field; names of one place are one.
	for field, body := range map[string]string{
		"service":     `"id":"a","service":"cart","environment":"production","version":"1.1"`,
		"environment": `"id":"a","service":"checkout","environment":"staging","version":"1.1"`,
		"target":      `"id":"a","service":"checkout","environment":"production","target":"eu","version":"1.1"`,
		"version":     `"id":"a","service":"checkout","environment":"production","version":"1.2"`,
		"change":      `"id":"a","service":"checkout","environment":"production","version":"1.1","change":"config"`,
	} {
		if answer := post(body, 409); !strings.Contains(answer, `"field":"`+field+`"`) {
			t.Errorf("the conflict over %s reads %s", field, answer)
		}
	}
	post(`"id":"a","service":"SHOP.checkout","environment":"LIVE","version":"1.1"`, 202) // ended once more, now
	post(`"id":"a","service":"checkout.web","environment":"prod","version":"1.1"`, 200)
	if d := deploy("a"); d.Service != "checkout" || d.Environment != "production" {
		t.Errorf("its names: %+v", d.Place)
	}

	// Without an id the facts are the key; without a time too, every event is a deploy.
	first := post(`"at":"`+at(7)+`"`, 202)
	if again := post(`"at":"`+at(7)+`","by":"bert"`, 202); first[:20] != again[:20] {
		t.Errorf("the same facts are %s and %s", first, again)
	}
	post(`"at":"`+at(7)+`"`, 200)
	if other := post(`"at":"`+at(7)+`","status":"failed"`, 202); first[:20] == other[:20] {
		t.Errorf("another status is the same deploy: %s", other)
	}
	if one, two := post(`"by":"x"`, 202), post(`"by":"x"`, 202); one[:20] == two[:20] {
		t.Errorf("without id and at both are %s", one)
	}
	post(`"id":"b"`, 202)
	post(`"id":"b"`, 200)

	for fields, want := range map[string]string{
		`"status":"started"`:          `"field":"id"`,
		`"at":"` + at(37) + `"`:       `"field":"at"`,
		`"at":"0001-01-01T00:00:00Z"`: `"field":"at"`, `"at":"1969-12-31T23:59:59Z"`: `"field":"at"`,
	} {
		if answer := post(fields, 422); !strings.Contains(answer, want) {
			t.Errorf("%s: %s", fields, answer)
		}
	}
	post(`"at":"2000-01-01T00:00:00Z"`, 202)
}

// TestGroupIsFixedAtRecording gives a deploy the group of those of its commit, which they found where none was sent.
func TestGroupIsFixedAtRecording(t *testing.T) {
	f := openFront(t, frontConfig, frontRules)
	defer f.stop()
	for i, body := range []string{
		`"service":"a","environment":"production","commit":"c1","at":"2026-11-24T10:00:00Z","group":"g1"`,
		`"service":"b","environment":"production","commit":"c1","at":"2026-11-24T10:15:00Z","group":"g2"`,
		`"service":"c","environment":"production","commit":"c1","at":"2026-11-24T10:06:00Z"`,
		`"service":"d","environment":"production","commit":"c1","at":"2026-11-24T10:25:01Z"`,
		`"service":"e","environment":"staging","commit":"c1","at":"2026-11-24T10:06:00Z"`,
		`"service":"f","environment":"production","commit":"c1","at":"2026-11-24T10:15:00Z","group":"own"`,
	} {
		if code := f.ask("POST", "/v1/deploys", fmt.Sprintf(`{"id":"d%d","version":"1",%s}`, i, body), nil); code != http.StatusAccepted {
			t.Fatal(code)
		}
	}
	for i, want := range []string{"g1", "g2", "g1", "c1", "c1", "own"} {
		var d verifier.Deploy
		if f.ask("GET", fmt.Sprint("/v1/deploys/d", i), "", &d); d.Group != want {
			t.Errorf("deploy %d has the group %q, want %q", i, d.Group, want)
		}
	}
}

// TestGitHubThroughTheFrontDoor sends what GitHub sends for one deployment, in a bad order and some of it twice.
func TestGitHubThroughTheFrontDoor(t *testing.T) {
	f := openFront(t, frontConfig+"hooks: {github: {secret: hush}}\nservices: [{match: {service: checkout}, names: {github: Hello-World}}]\n", frontRules)
	defer f.stop()
	send := func(event, delivery, secret, body string, want int) (answer string) {
		t.Helper()
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write([]byte(body))
		code := f.ask("POST", "/v1/hooks/github", body, &answer, "X-GitHub-Event", event, "X-GitHub-Delivery", delivery,
			"X-Hub-Signature-256", "sha256="+hex.EncodeToString(mac.Sum(nil)), "Content-Type", "application/json")
		if code != want {
			t.Errorf("%s %s answers %d %s, want %d", event, delivery, code, answer, want)
		}
		return answer
	}
	status := func(state string, minute int, payload string) string {
		return fmt.Sprintf(`{"deployment_status":{"id":%d,"state":%q,"environment":"production","created_at":%q},"deployment":{"id":7,"sha":"abc","ref":"main","payload":%s},
			"repository":{"name":"hello-world","html_url":"https://github.com/x/hello-world"}}`, minute, state, fmt.Sprintf("2026-11-24T09:%02d:00Z", minute), payload)
	}
	version := `{"version":"1.4.2"}`
	send("ping", "0", "hush", `{"zen":"Keep it logically awesome."}`, 200)
	send("deployment_status", "1", "hush", status("success", 5, version), 202)
	send("deployment_status", "1", "hush", status("success", 5, version), 200)
	send("deployment_status", "2", "hush", status("queued", 1, version), 202)
	send("deployment_status", "3", "hush", status("in_progress", 2, version), 202)
	send("deployment_status", "4", "wrong", status("error", 9, version), 401)
	if answer := send("deployment_status", "5", "hush", status("inactive", 9, version), 200); !strings.Contains(answer, "newer deploy") {
		t.Error(answer)
	}
	if answer := send("deployment_status", "6", "hush", status("success", 5, `{"version":"1.5"}`), 200); !strings.Contains(answer, `"field":"version"`) {
		t.Error(answer)
	}
	if answer := send("deployment_status", "7", "hush", status("success", 5, `{"version":"1'5"}`), 200); !strings.Contains(answer, `deployment.payload.version`) {
		t.Error(answer)
	}
	var d verifier.Deploy
	f.ask("GET", "/v1/deploys/github:7", "", &d)
	if d.Service != "checkout" || d.Version != "1.4.2" || d.Status != verifier.Succeeded || d.Tool != "github" || d.StartedAt == nil || d.StartedAt.Minute() != 2 || d.At.Minute() != 5 {
		t.Errorf("%+v", d)
	}
}

// TestOctopusThroughTheFrontDoor posts a recorded event with its header, twice, and without it.
func TestOctopusThroughTheFrontDoor(t *testing.T) {
	f := openFront(t, frontConfig+"hooks: {octopus: {header: X-Key, secret: open-sesame}}\nservices: [{match: {service: octopub}, names: {octopus: 'Argo CD Octopub'}, team: web}]\n", frontRules)
	defer f.stop()
	text, err := os.ReadFile("../../testdata/octopus/subscription_deployment_failed.json")
	if err != nil {
		t.Fatal(err)
	}
	body := strings.Replace(string(text), "DeploymentFailed", "DeploymentSucceeded", 1)
	for i, want := range []int{http.StatusAccepted, http.StatusOK} {
		var receipt verifier.Receipt
		if code := f.ask("POST", "/v1/hooks/octopus", body, &receipt, "X-Key", "open-sesame"); code != want || receipt.ID != "octopus:Deployments-12519" {
			t.Errorf("request %d is answered %d %+v", i+1, code, receipt)
		}
	}
	if code := f.ask("POST", "/v1/hooks/octopus", body, nil); code != http.StatusUnauthorized {
		t.Errorf("without the header: %d", code)
	}
	var d verifier.Deploy
	if f.ask("GET", "/v1/deploys/octopus:Deployments-12519", "", &d); d.Service != "octopub" || d.Team != "web" || d.Version != "0.1.178" {
		t.Errorf("recorded as %+v", d)
	}
}
