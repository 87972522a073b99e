package intake

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"verifier"
)

// checkGitHub holds the body against its signature.
func checkGitHub(h *hook, r *http.Request, body []byte) error {
	given, ok := strings.CutPrefix(r.Header.Get("X-Hub-Signature-256"), "sha256=")
	if !ok {
		return &Error{http.StatusUnauthorized, "X-Hub-Signature-256 is missing; set the webhook's secret in GitHub"}
	}
	signature, err := hex.DecodeString(given)
	mac := hmac.New(sha256.New, []byte(h.secret.Reveal()))
	mac.Write(body)
	if err != nil || !hmac.Equal(signature, mac.Sum(nil)) {
		return &Error{http.StatusUnauthorized, "X-Hub-Signature-256 does not fit the body; is the secret the same on both sides?"}
	}
	return nil
}

type gitHubEvent struct {
	Status *struct {
		ID          int64     `json:"id"`
		State       string    `json:"state"`
		Environment string    `json:"environment"`
		CreatedAt   time.Time `json:"created_at"`
		Description string    `json:"description"`
		TargetURL   string    `json:"target_url"`
		LogURL      string    `json:"log_url"`
		Creator     struct {
			Login string `json:"login"`
		} `json:"creator"`
	} `json:"deployment_status"`
	Deployment struct {
		ID          int64           `json:"id"`
		SHA         string          `json:"sha"`
		Ref         string          `json:"ref"`
		Task        string          `json:"task"`
		Environment string          `json:"environment"`
		Payload     json.RawMessage `json:"payload"`
		Creator     struct {
			Login string `json:"login"`
		} `json:"creator"`
	} `json:"deployment"`
	Repository struct {
		Name     string `json:"name"`
		FullName string `json:"full_name"`
		HTMLURL  string `json:"html_url"`
	} `json:"repository"`
}

var gitHubStates = map[string]verifier.Status{
	"success": verifier.Succeeded, "failure": verifier.Failed, "error": verifier.Failed,
	"pending": verifier.Started, "queued": verifier.Started, "waiting": verifier.Started, "in_progress": verifier.Started,
}

// gitHub signs what it sends.
var gitHub = tool{
	delivery: "X-GitHub-Delivery", signs: true, check: checkGitHub, read: readGitHub, lists: &gitHubList,
	fields: []string{"repo", "task", "deployment_environment", "ref", "sha", "creator", "workflow", "workflow_path", "branch", "run_event"},
	where: map[string]string{
		"service": "deployment.payload.service", "environment": "deployment_status.environment", "version": "deployment.payload.version",
		"at": "deployment_status.created_at", "target": "deployment.payload.target", "team": "deployment.payload.team", "commit": "deployment.sha",
		"by": "deployment.creator.login", "group": "deployment.payload.group", "url": "deployment_status.log_url", "repository": "repository.html_url",
	},
}

// readGitHub reads a deployment_status event. The service is payload.service, else the repository's name; the version
// payload.version, else a ref that looks like one, else the commit. ignored says why an event is no deploy.
func readGitHub(h *hook, in verifier.Delivery) (events []Event, ignored string, err error) {
	event := http.Header(in.Header).Get("X-GitHub-Event")
	if event != "deployment_status" && event != "workflow_run" {
		return nil, fmt.Sprintf("%.60q events say nothing about deploys; deployment_status and workflow_run do", event), nil
	}
	body, err := gitHubBody(in)
	if err != nil {
		return nil, "", err
	}
	if event == "workflow_run" {
		return readWorkflowRun(h, body)
	}
	var e gitHubEvent
	if err := json.Unmarshal(body, &e); err != nil {
		return nil, "", verifier.Invalid("body", "is no deployment_status event: %v", misread(err))
	}
	if e.Status == nil || e.Deployment.ID == 0 {
		return nil, "", verifier.Invalid("body", "is no deployment_status event: deployment or deployment_status is missing")
	}
	status, known := gitHubStates[e.Status.State]
	switch {
	case strings.HasPrefix(e.Status.Description, verifier.OwnStatus):
		return nil, "it is verifier's own verdict", nil
	case e.Status.State == "inactive":
		return nil, "inactive says that a newer deploy took over", nil
	case !known:
		return nil, fmt.Sprintf("the state %.40q is not known", e.Status.State), nil
	}
	d := e.deploy(status)
	return []Event{{d, map[string]string{
		"repo": e.Repository.FullName, "task": e.Deployment.Task, "deployment_environment": d.Environment, "ref": e.Deployment.Ref,
		"sha": e.Deployment.SHA, "creator": d.By,
	}}}, "", nil
}

// gitHubBody is the JSON, which may come as a form's field.
func gitHubBody(in verifier.Delivery) ([]byte, error) {
	if !strings.HasPrefix(http.Header(in.Header).Get("Content-Type"), "application/x-www-form-urlencoded") {
		return in.Body, nil
	}
	form, err := url.ParseQuery(string(in.Body))
	if err != nil || form.Get("payload") == "" {
		return nil, verifier.Invalid("payload", "is missing in the form; choose application/json as the webhook's content type")
	}
	return []byte(form.Get("payload")), nil
}

func (e gitHubEvent) deploy(status verifier.Status) verifier.Deploy {
	said := e.payload()
	d := verifier.Deploy{
		ID:     strconv.FormatInt(e.Deployment.ID, 10),
		Place:  verifier.Place{Service: or(said.Service, e.Repository.Name), Environment: or(e.Status.Environment, e.Deployment.Environment), Target: said.Target},
		Status: status, Change: verifier.Release, At: e.Status.CreatedAt.UTC(), Commit: e.Deployment.SHA, Repository: e.Repository.HTMLURL,
		By: or(e.Deployment.Creator.Login, e.Status.Creator.Login), URL: or(e.Status.LogURL, e.Status.TargetURL), Version: said.Version,
		Team: said.Team, Group: said.Group,
	}
	if d.Version == "" {
		d.Version = e.Deployment.SHA
		if ref := strings.TrimPrefix(e.Deployment.Ref, "refs/tags/"); versionLike.MatchString(ref) {
			d.Version = ref
		}
	}
	return d
}

// versionLike are refs like v1.4.2 and 2026.11.24-rc.1, and not branches or commits.
var versionLike = regexp.MustCompile(`^[vV]?\d+(\.\d+)+([-+._][0-9A-Za-z.+-]+)?$`)

type gitHubPayload struct {
	Service, Version, Target, Team, Group string
}

// payload is what the deployment's own payload says: an object, or a string that holds one. It is the sender's to fill: what is no
// string or number says nothing.
func (e gitHubEvent) payload() gitHubPayload {
	raw := e.Deployment.Payload
	var text string
	if json.Unmarshal(raw, &text) == nil {
		raw = json.RawMessage(text)
	}
	var fields map[string]json.RawMessage
	if json.Unmarshal(raw, &fields) != nil {
		return gitHubPayload{}
	}
	word := func(name string) string {
		var s string
		var n json.Number
		if json.Unmarshal(fields[name], &s) == nil {
			return s
		}
		_ = json.Unmarshal(fields[name], &n) // what is no number either is empty
		return n.String()
	}
	return gitHubPayload{Service: word("service"), Version: word("version"), Target: word("target"), Team: word("team"), Group: word("group")}
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
