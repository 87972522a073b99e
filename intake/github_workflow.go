package intake

import (
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"verifier"
)

type gitHubRun struct {
	Action string `json:"action"`
	Run    *struct {
		ID         int64     `json:"id"`
		Attempt    int64     `json:"run_attempt"`
		Name       string    `json:"name"`
		Path       string    `json:"path"`
		Conclusion string    `json:"conclusion"`
		HeadSHA    string    `json:"head_sha"`
		HeadBranch string    `json:"head_branch"`
		Event      string    `json:"event"`
		HTMLURL    string    `json:"html_url"`
		UpdatedAt  time.Time `json:"updated_at"`
		Actor      struct {
			Login string `json:"login"`
		} `json:"actor"`
	} `json:"workflow_run"`
	Workflow struct {
		Name string `json:"name"`
		Path string `json:"path"`
	} `json:"workflow"`
	Repository struct {
		Name     string `json:"name"`
		FullName string `json:"full_name"`
		HTMLURL  string `json:"html_url"`
	} `json:"repository"`
}

var gitHubConclusions = map[string]verifier.Status{
	"success": verifier.Succeeded, "failure": verifier.Failed, "timed_out": verifier.Failed, "cancelled": verifier.Failed,
}

// readWorkflowRun reads the end of a workflow run. It has no environment: only runs of workflows that the map names are deploys.
func readWorkflowRun(h *hook, body []byte) ([]Event, string, error) {
	var e gitHubRun
	if err := json.Unmarshal(body, &e); err != nil {
		return nil, "", verifier.Invalid("body", "is no workflow_run event: %v", misread(err))
	}
	if e.Run == nil || e.Run.ID == 0 {
		return nil, "", verifier.Invalid("workflow_run", "is missing")
	}
	run := e.Run
	if e.Action != "completed" {
		return nil, fmt.Sprintf("a run that is %.40q has not ended", e.Action), nil
	}
	status, known := gitHubConclusions[run.Conclusion]
	if !known {
		return nil, fmt.Sprintf("the conclusion %.40q says that nothing was done", run.Conclusion), nil
	}
	if !h.maps("workflow", "workflow_path") {
		return nil, "no entry of hooks." + h.name + ".map names a workflow, so that its runs are no deploys", nil
	}
	fields := map[string]string{
		"repo": e.Repository.FullName, "workflow": or(e.Workflow.Name, run.Name), "workflow_path": or(run.Path, e.Workflow.Path), "branch": run.HeadBranch,
		"sha": run.HeadSHA, "run_event": run.Event, "creator": run.Actor.Login,
	}
	if !h.fits(fields, "workflow", "workflow_path") {
		return nil, fmt.Sprintf("no entry of hooks.%s.map names the workflow %.80q", h.name, fields["workflow"]), nil
	}
	return []Event{{verifier.Deploy{
		ID: "run/" + strconv.FormatInt(run.ID, 10) + "/" + strconv.FormatInt(run.Attempt, 10), Place: verifier.Place{Service: e.Repository.Name},
		Version: versionOf(run.HeadBranch, run.HeadSHA), Status: status, At: run.UpdatedAt.UTC(), Commit: run.HeadSHA, By: run.Actor.Login, URL: run.HTMLURL,
		Repository: e.Repository.HTMLURL,
	}, fields}}, "", nil
}

// maps reports whether an entry asks for one of these fields.
func (h *hook) maps(names ...string) bool {
	for _, e := range h.entries {
		for _, name := range names {
			if _, ok := e.match[name]; ok {
				return true
			}
		}
	}
	return false
}

// fits reports whether an entry that asks for one of these fields fits.
func (h *hook) fits(fields map[string]string, names ...string) bool {
	for _, e := range h.entries {
		for _, name := range names {
			if _, ok := e.match[name]; ok && e.fits(fields) {
				return true
			}
		}
	}
	return false
}
