package intake

import (
	"encoding/json"
	"fmt"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"verifier"
)

// jenkins is its Notification plugin, which signs nothing and sends user and password of the URL.
var jenkins = tool{
	check: checkSecret, read: readJenkins, lists: &jenkinsList,
	fields: []string{"job", "folder", "number", "phase", "build_status", "branch", "parameter.*"},
	where:  map[string]string{"version": "build.number", "commit": "build.scm.commit", "at": "build.timestamp", "url": "build.full_url"},
}

type jenkinsBody struct {
	Name  string `json:"name"`
	Build *struct {
		FullURL    string      `json:"full_url"`
		URL        string      `json:"url"`
		Number     json.Number `json:"number"`
		Timestamp  int64       `json:"timestamp"` // ms; 0 where it is left out
		Phase      string      `json:"phase"`
		Status     string      `json:"status"`
		Parameters namedValues `json:"parameters"`
		SCM        struct {
			Branch string `json:"branch"`
			Commit string `json:"commit"`
		} `json:"scm"`
	} `json:"build"`
}

// readJenkins reads the start of a build or its end. COMPLETED and FINALIZED come for the same end, and are one fact.
func readJenkins(_ *hook, in verifier.Delivery) ([]Event, string, error) {
	var e jenkinsBody
	if err := json.Unmarshal(in.Body, &e); err != nil {
		return nil, "", verifier.Invalid("body", "is no event of Jenkins' Notification plugin: %v", misread(err))
	}
	if e.Build == nil || e.Build.Number == "" || e.Name == "" {
		return nil, "", verifier.Invalid("build.number", "or the job's name is missing; choose the format JSON in the job's notifications")
	}
	b := e.Build
	var status verifier.Status
	switch {
	case b.Phase == "STARTED":
		status = verifier.Started
	case b.Phase != "COMPLETED" && b.Phase != "FINALIZED":
		return nil, fmt.Sprintf("the phase %.40q says nothing about how a build went; STARTED, COMPLETED and FINALIZED do", b.Phase), nil
	case b.Status == "SUCCESS", b.Status == "UNSTABLE": // unstable: it went through, and a test did not
		status = verifier.Succeeded
	case b.Status == "FAILURE", b.Status == "ABORTED":
		status = verifier.Failed
	case b.Status == "NOT_BUILT":
		return nil, "NOT_BUILT says that nothing was done", nil
	default:
		return nil, "", verifier.Invalid("build.status", "is %.40q and no SUCCESS, UNSTABLE, FAILURE, ABORTED or NOT_BUILT", b.Status)
	}
	folder, job := jenkinsJob(or(b.FullURL, b.URL), e.Name)
	d := verifier.Deploy{
		ID: path.Join(folder, job, b.Number.String()), Version: b.Number.String(), Status: status, At: in.ReceivedAt, AtAssumed: true, Commit: b.SCM.Commit, URL: or(b.FullURL, b.URL),
	}
	// The time of FINALIZED is when it was sent, that of COMPLETED the build's end: the first that comes stays.
	if b.Timestamp > 0 && b.Phase != "FINALIZED" {
		d.At, d.AtAssumed = time.UnixMilli(b.Timestamp).UTC(), false
	}
	fields := map[string]string{"job": e.Name, "folder": folder, "number": b.Number.String(), "phase": b.Phase, "build_status": b.Status, "branch": b.SCM.Branch}
	for k, v := range b.Parameters {
		fields["parameter."+k] = v
	}
	return []Event{{d, fields}}, "", nil
}

// jenkinsJob is the folder and the name of the job whose build has that address: …/job/FOLDER/job/NAME/NUMBER/. The name that the plugin sends
// does not tell builds apart: in a multibranch project it is the branch. Without such an address that name is all there is.
func jenkinsJob(address, name string) (folder, job string) {
	u, err := url.Parse(address)
	if err != nil {
		u = &url.URL{}
	}
	parts := strings.Split(strings.Trim(u.EscapedPath(), "/"), "/")
	at := slices.Index(parts, "job")
	if at < 0 {
		folder, job = path.Split(name)
		return strings.TrimSuffix(folder, "/"), job
	}
	var names []string
	for ; at+1 < len(parts) && parts[at] == "job"; at += 2 {
		part, err := url.PathUnescape(parts[at+1])
		if err != nil {
			part = parts[at+1]
		}
		names = append(names, part)
	}
	last := len(names) - 1
	if last < 0 {
		return "", name
	}
	return strings.Join(names[:last], "/"), names[last]
}
