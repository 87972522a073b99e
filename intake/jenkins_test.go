package intake

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"verifier"
)

// realworld is a file of testdata/realworld.
func realworld(t testing.TB, folder, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../testdata/realworld", folder, name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestRealworldJenkinsMultibranch holds that two projects that build main as number 12 are two deploys, and that a map can tell them apart.
func TestRealworldJenkinsMultibranch(t *testing.T) {
	hook := Hook{Secret: "s", Header: "X-Key", Map: []map[string]string{{"job": "*", "service": "folder", "environment": "production", "version": "parameter.VERSION"}}}
	got := map[string]string{}
	for _, file := range []string{"a.json", "b.json"} {
		deploys, why, err := mappedBy("jenkins", hook, verifier.Delivery{ReceivedAt: now.AddDate(1, 0, 0), Body: realworld(t, "jenkins-multibranch-id", file)})
		if err != nil || len(deploys) != 1 {
			t.Fatalf("%s: %v, %q, %v", file, deploys, why, err)
		}
		got[deploys[0].ID] = deploys[0].Service + " " + deploys[0].Version
	}
	if len(got) != 2 || got["jenkins:cart/main/12"] != "cart 1.0.0" || got["jenkins:pay/main/12"] != "pay 2.0.0" {
		t.Errorf("got %v", got)
	}
}

// TestJenkinsJob reads the job out of the addresses that servers give.
func TestJenkinsJob(t *testing.T) {
	for _, c := range []struct{ address, name, folder, job string }{
		{"https://ci/job/shop/12/", "shop", "", "shop"},
		{"https://ci/jenkins/job/team/job/cart/job/feature%252Flogin/3/", "feature%2Flogin", "team/cart", "feature%2Flogin"},
		{"job/cart/job/main/12/", "main", "cart", "main"}, // the server does not know its own address
		{"https://ci/view/all/job/a%20b/job/job/1/", "job", "a b", "job"},
		{"https://ci/job/job/job/main/1/", "main", "job", "main"},
		{"", "shop/deploy", "shop", "deploy"},
		{"%zz", "main", "", "main"},
		{"https://ci/job", "main", "", "main"},
	} {
		if folder, job := jenkinsJob(c.address, c.name); folder != c.folder || job != c.job {
			t.Errorf("%s (%s) is %q and %q, want %q and %q", c.address, c.name, folder, job, c.folder, c.job)
		}
	}
}

// TestRealworldNames holds that names as people have them are recorded, and that one that is refused loses no other event.
func TestRealworldNames(t *testing.T) {
	var names []string
	for _, line := range strings.Split(strings.TrimSpace(string(realworld(t, "names-refused", "names.txt"))), "\n") {
		for _, part := range strings.Split(line, " ; ") {
			names = append(names, part[strings.LastIndex(part, ":")+1:])
		}
	}
	names = append(names, "R&D (EU) #2", "Zürich ½", "家 👩‍👩‍👧", "50% off!", "a=b, c|d", "{{.Service}}", "$HOME")
	for _, name := range names {
		if problem := verifier.NameProblem(strings.TrimSpace(name)); problem != "" {
			t.Errorf("%s %s", name, problem)
		}
	}
	for _, name := range []string{"", "a\nb", "a\x1b[31m", "a\u202eb", `say "x"`, `a\b`, "a`b", "<script>", "a\xffb", "a\u00a0"} {
		if verifier.NameProblem(name) == "" {
			t.Errorf("%q is taken", name)
		}
	}
}

// TestOneBadEvent holds that an event of a digest that cannot be recorded loses none of the others.
func TestOneBadEvent(t *testing.T) {
	event := func(id, environment string) map[string]any {
		message := "Deploy to " + environment + " of 1.4.2 of shop"
		at := func(kind, text string) map[string]any {
			return map[string]any{"ReferencedDocumentId": kind + id, "StartIndex": strings.Index(message, text), "Length": len(text)}
		}
		return map[string]any{
			"Category": "DeploymentSucceeded", "Message": message, "Occurred": now, "RelatedDocumentIds": []string{"Deployments-" + id, "Releases-" + id},
			"MessageReferences": []any{at("Environments-", environment), at("Releases-", "1.4.2"), at("Projects-", "shop")},
		}
	}
	body, err := json.Marshal(map[string]any{"Payload": map[string]any{"Events": []any{event("1", `say "x"`), event("2", "Production (EU)")}}})
	if err != nil {
		t.Fatal(err)
	}
	hooks, err := NewHooks(Config{Hooks: map[string]Hook{"octopus": {Secret: "s", Header: "X-Key"}}})
	if err != nil {
		t.Fatal(err)
	}
	out, err := hooks.Map(verifier.Delivery{Tool: "octopus", ReceivedAt: now, Body: body})
	if err != nil || len(out.Deploys) != 1 || out.Deploys[0].Environment != "Production (EU)" || !strings.Contains(out.Unmapped, `has '"'`) {
		t.Errorf("%+v, %v", out, err)
	}
}
