package intake

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"verifier"
)

// gitLab sends a secret token as it is.
var gitLab = tool{
	delivery: "X-Gitlab-Event-UUID", header: "X-Gitlab-Token", check: checkSecret, read: readGitLab, lists: &gitLabList,
	fields: []string{"project", "gitlab_environment", "environment_tier", "ref", "short_sha", "job_status", "username"},
	where: map[string]string{
		"service": "project.name", "environment": "environment", "version": "ref", "at": "status_changed_at", "by": "user.username",
		"url": "deployable_url", "commit": "commit_url", "repository": "project.web_url",
	},
}

type gitLabDeployment struct {
	Kind            string `json:"object_kind"`
	Status          string `json:"status"`
	ChangedAt       string `json:"status_changed_at"`
	ID              int64  `json:"deployment_id"`
	DeployableURL   string `json:"deployable_url"`
	Environment     string `json:"environment"`
	EnvironmentTier string `json:"environment_tier"`
	ShortSHA        string `json:"short_sha"`
	CommitURL       string `json:"commit_url"`
	Ref             string `json:"ref"`
	Project         struct {
		Name   string `json:"name"`
		Path   string `json:"path_with_namespace"`
		WebURL string `json:"web_url"`
	} `json:"project"`
	User struct {
		Username string `json:"username"`
		Name     string `json:"name"`
	} `json:"user"`
}

var gitLabStatuses = map[string]verifier.Status{
	"running": verifier.Started, "created": verifier.Started, "success": verifier.Succeeded, "failed": verifier.Failed, "canceled": verifier.Failed,
}

// gitLabTimes are the ways in which GitLab writes a time.
var gitLabTimes = []string{"2006-01-02 15:04:05 -0700", "2006-01-02 15:04:05 MST", time.RFC3339}

// readGitLab reads a deployment event. The service is the project's name; the version a ref that looks like one, else the commit.
func readGitLab(_ *hook, in verifier.Delivery) ([]Event, string, error) {
	if event := http.Header(in.Header).Get("X-Gitlab-Event"); event != "" && event != "Deployment Hook" {
		return nil, fmt.Sprintf("%.60q events say nothing about deploys; Deployment Hook does", event), nil
	}
	var e gitLabDeployment
	if err := json.Unmarshal(in.Body, &e); err != nil {
		return nil, "", verifier.Invalid("body", "is no deployment event of GitLab: %v", misread(err))
	}
	if e.Kind != "deployment" {
		return nil, fmt.Sprintf("the object_kind %.60q says nothing about deploys; deployment does", e.Kind), nil
	}
	if e.ID == 0 {
		return nil, "", verifier.Invalid("deployment_id", "is missing")
	}
	status, known := gitLabStatuses[e.Status]
	if !known {
		return nil, fmt.Sprintf("the status %.40q says nothing about how a deployment went", e.Status), nil
	}
	at, err := parseTime("status_changed_at", e.ChangedAt, gitLabTimes...)
	if err != nil {
		return nil, "", err
	}
	commit := e.ShortSHA
	if full := path.Base(e.CommitURL); len(full) > len(commit) && strings.HasPrefix(full, commit) {
		commit = full
	}
	d := verifier.Deploy{
		ID: strconv.FormatInt(e.ID, 10), Place: verifier.Place{Service: e.Project.Name, Environment: e.Environment}, Version: versionOf(e.Ref, commit),
		Status: status, At: at, Commit: commit, By: or(e.User.Username, e.User.Name), URL: e.DeployableURL, Repository: e.Project.WebURL,
	}
	return []Event{{d, map[string]string{
		"project": e.Project.Path, "gitlab_environment": e.Environment, "environment_tier": e.EnvironmentTier, "ref": e.Ref, "short_sha": e.ShortSHA,
		"job_status": e.Status, "username": e.User.Username,
	}}}, "", nil
}

// versionOf is a ref that looks like a version, else the commit.
func versionOf(ref, commit string) string {
	if tag := strings.TrimPrefix(ref, "refs/tags/"); versionLike.MatchString(tag) {
		return tag
	}
	return commit
}

// parseTime reads a time in one of the layouts; where is the field, for messages.
func parseTime(where, text string, layouts ...string) (time.Time, error) {
	for _, layout := range layouts {
		if at, err := time.Parse(layout, text); err == nil {
			return at.UTC(), nil
		}
	}
	return time.Time{}, verifier.Invalid(where, "%.60q is no time like %s", text, layouts[0])
}
