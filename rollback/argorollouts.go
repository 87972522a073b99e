package rollback

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"verifier"
	"verifier/outbound"
)

// ArgoRolloutsConfig aborts a rollout of Argo Rollouts that is under way, or undoes one that is over, through the API of Kubernetes.
type ArgoRolloutsConfig struct {
	APIConfig `yaml:",inline"`
	CAFile    string `yaml:"ca_file"`   // of the cluster
	Namespace string `yaml:"namespace"` // default {{.Environment}}
	Rollout   string `yaml:"rollout"`   // default {{.Service}}
	Container string `yaml:"container"` // whose image's tag is the version; default the first
}

type argoRollouts struct {
	*api
	namespace, rollout filler
	container          string
}

func newArgoRollouts(c ArgoRolloutsConfig, rt http.RoundTripper) (Way, error) {
	a, err := c.open("argorollouts", "https://kubernetes.default.svc", rt, func(key string) http.Header {
		return http.Header{"Authorization": {"Bearer " + key}}
	})
	if err != nil {
		return nil, err
	}
	if c.CAFile != "" {
		own, err := outbound.New(outbound.Config{CAFile: c.CAFile})
		if err != nil {
			return nil, fmt.Errorf("argorollouts.ca_file: %w", err)
		}
		a.client.Transport = own
	}
	r := &argoRollouts{api: a, container: c.Container}
	var wrong [2]error
	r.namespace, wrong[0] = parseText("argorollouts.namespace", cmp.Or(c.Namespace, "{{.Environment}}"))
	r.rollout, wrong[1] = parseText("argorollouts.rollout", cmp.Or(c.Rollout, "{{.Service}}"))
	return follow(r), errors.Join(wrong[:]...)
}

func (r *argoRollouts) name() string { return "ArgoRollouts" }

// calledBy is the annotation that holds the call's id.
const calledBy = "verifier/rollback"

type k8sMeta struct {
	Name        string            `json:"name"`
	UID         string            `json:"uid"`
	Generation  int64             `json:"generation"`
	Labels      map[string]string `json:"labels"`
	Annotations map[string]string `json:"annotations"`
	Owners      []struct {
		UID string `json:"uid"`
	} `json:"ownerReferences"`
}

type k8sContainers struct {
	Spec struct {
		Containers []struct {
			Name  string `json:"name"`
			Image string `json:"image"`
		} `json:"containers"`
	} `json:"spec"`
}

type argoRollout struct {
	Metadata k8sMeta `json:"metadata"`
	Spec     struct {
		Template k8sContainers `json:"template"`
	} `json:"spec"`
	Status struct {
		Phase    string `json:"phase"` // Healthy, Progressing, Paused or Degraded
		Message  string `json:"message"`
		Abort    bool   `json:"abort"`
		Current  string `json:"currentPodHash"`
		Stable   string `json:"stableRS"`
		Observed string `json:"observedGeneration"`
	} `json:"status"`
}

// replicaSet keeps its template as it is, to be written back.
type replicaSet struct {
	Metadata k8sMeta `json:"metadata"`
	Spec     struct {
		Template json.RawMessage `json:"template"`
	} `json:"spec"`
}

const (
	podHash         = "rollouts-pod-template-hash"
	rolloutRevision = "rollout.argoproj.io/revision"
)

func (r *argoRollouts) path(c verifier.RollbackCall) (string, error) {
	namespace, err := r.namespace.fill("argorollouts", c)
	if err != nil {
		return "", err
	}
	name, err := r.rollout.fill("argorollouts", c)
	return "/apis/argoproj.io/v1alpha1/namespaces/" + url.PathEscape(namespace) + "/rollouts/" + url.PathEscape(name), err
}

func (r *argoRollouts) get(ctx context.Context, path string) (out argoRollout, err error) {
	err = r.call(ctx, http.MethodGet, path, nil, &out)
	switch {
	case notFound(err):
		return out, fmt.Errorf("there is no rollout at %s, or the key may not see it: %w", path, err)
	case err == nil && out.Metadata.Name == "":
		return out, fmt.Errorf("the answer for %s is no rollout; is argorollouts.url that of Kubernetes?", path)
	}
	return out, err
}

// version is the tag of the container's image.
func (r *argoRollouts) version(t k8sContainers) string {
	for _, c := range t.Spec.Containers {
		if r.container == "" || c.Name == r.container {
			image, _, _ := strings.Cut(c.Image, "@")
			if i := strings.LastIndexByte(image, ':'); i > strings.LastIndexByte(image, '/') {
				return image[i+1:]
			}
			return ""
		}
	}
	return ""
}

// back is how the rollout goes back to the version: by an abort where that is what is stable, else to the newest ReplicaSet of it.
func (r *argoRollouts) back(ctx context.Context, path, to string) (now argoRollout, abort bool, set *replicaSet, err error) {
	if now, err = r.get(ctx, path); err != nil {
		return now, false, nil, err
	}
	namespace := strings.Split(path, "/")[5]
	var list struct {
		Items []replicaSet `json:"items"`
	}
	if err := r.call(ctx, http.MethodGet, "/apis/apps/v1/namespaces/"+namespace+"/replicasets?"+url.Values{"labelSelector": {podHash}}.Encode(), nil, &list); err != nil {
		return now, false, nil, fmt.Errorf("look for its ReplicaSets: %w", err)
	}
	revision := -1
	for i, s := range list.Items {
		var t k8sContainers
		if json.Unmarshal(s.Spec.Template, &t) != nil || !verifier.SameVersion(r.version(t), to) || !s.ownedBy(now.Metadata.UID) {
			continue
		}
		n, _ := strconv.Atoi(s.Metadata.Annotations[rolloutRevision])
		if n > revision {
			revision, set = n, &list.Items[i]
		}
		if hash := s.Metadata.Labels[podHash]; hash == now.Status.Stable && now.Status.Current != now.Status.Stable {
			abort = true
		}
	}
	if set == nil {
		return now, false, nil, fmt.Errorf("%s has no ReplicaSet of %s any more (spec.revisionHistoryLimit)", now.Metadata.Name, to)
	}
	return now, abort, set, nil
}

func (s replicaSet) ownedBy(uid string) bool {
	for _, o := range s.Metadata.Owners {
		if o.UID == uid {
			return true
		}
	}
	return false
}

func (r *argoRollouts) ready(ctx context.Context, c verifier.RollbackCall) (string, error) {
	path, err := r.path(c)
	if err != nil {
		return "", err
	}
	_, abort, set, err := r.back(ctx, path, c.To)
	switch {
	case err != nil:
		return "", err
	case abort:
		return c.To + " is stable: the rollout can be aborted", nil
	}
	return "revision " + set.Metadata.Annotations[rolloutRevision] + " is " + c.To, nil
}

// running is a rollout under way to a version that is neither the failed one nor the target: somebody is at work. That of the failed
// version is what is aborted or undone.
func (r *argoRollouts) running(ctx context.Context, c verifier.RollbackCall) ([]task, error) {
	path, err := r.path(c)
	if err != nil {
		return nil, err
	}
	now, err := r.get(ctx, path)
	version := r.version(now.Spec.Template)
	if err != nil || now.Status.Current == now.Status.Stable || now.Status.Abort || verifier.SameVersion(version, c.From) || verifier.SameVersion(version, c.To) {
		return nil, err
	}
	return []task{{ID: path, Note: version, State: running}}, nil
}

func (r *argoRollouts) find(ctx context.Context, c verifier.RollbackCall) (*task, error) {
	path, err := r.path(c)
	if err != nil {
		return nil, err
	}
	now, err := r.get(ctx, path)
	if err != nil || now.Metadata.Annotations[calledBy] != c.ID {
		return nil, err
	}
	t, err := r.state(ctx, task{ID: path, Note: c.To})
	return &t, err
}

// start writes the older template with the call's id; where the older version is stable still, the id alone, and aborts. All of it
// may be done twice.
func (r *argoRollouts) start(ctx context.Context, c verifier.RollbackCall) (task, error) {
	path, err := r.path(c)
	if err != nil {
		return task{}, beforehand{err}
	}
	now, abort, set, err := r.back(ctx, path, c.To)
	if err != nil {
		return task{}, beforehand{err}
	}
	patch := []map[string]any{}
	if now.Metadata.Annotations == nil {
		patch = append(patch, map[string]any{"op": "add", "path": "/metadata/annotations", "value": map[string]string{}})
	}
	patch = append(patch, map[string]any{"op": "add", "path": "/metadata/annotations/verifier~1rollback", "value": c.ID})
	if !abort {
		template, err := set.plain()
		if err != nil {
			return task{}, beforehand{err}
		}
		patch = append(patch, map[string]any{"op": "replace", "path": "/spec/template", "value": template})
	}
	if err := r.patch(ctx, path, "application/json-patch+json", patch); err != nil {
		return task{}, fmt.Errorf("go back to %s: %w", c.To, err)
	}
	if abort {
		body := map[string]any{"status": map[string]bool{"abort": true}}
		err := r.patch(ctx, path+"/status", "application/merge-patch+json", body)
		if notFound(err) { // without the subresource
			err = r.patch(ctx, path, "application/merge-patch+json", body)
		}
		if err != nil {
			return task{}, fmt.Errorf("abort the rollout: %w", err)
		}
	}
	return task{ID: path, Note: c.To, State: running}, nil
}

// plain is the ReplicaSet's template without the label that Argo Rollouts adds.
func (s replicaSet) plain() (map[string]any, error) {
	var t map[string]any
	if err := json.Unmarshal(s.Spec.Template, &t); err != nil {
		return nil, fmt.Errorf("read the template of %s: %w", s.Metadata.Name, err)
	}
	if meta, ok := t["metadata"].(map[string]any); ok {
		if labels, ok := meta["labels"].(map[string]any); ok {
			delete(labels, podHash)
		}
	}
	return t, nil
}

// patch is one call with Kubernetes' own content types.
func (r *argoRollouts) patch(ctx context.Context, path, kind string, body any) error {
	text, err := json.Marshal(body)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPatch, r.url+path, bytes.NewReader(text))
	if err != nil {
		return outbound.Redact(err)
	}
	request.Header = r.header.Clone()
	request.Header.Set("Content-Type", kind)
	request.Header.Set("Accept", "application/json")
	response, err := r.client.Do(request)
	if err != nil {
		return &verifier.TemporaryError{Err: outbound.Redact(err)}
	}
	defer response.Body.Close()
	if err := outbound.Status(response); err != nil {
		return explained(fmt.Errorf("PATCH %s: %w", path, err))
	}
	_, err = io.Copy(io.Discard, response.Body)
	return err
}

// state is over when the version is the one that serves: aborted to it, or rolled out.
func (r *argoRollouts) state(ctx context.Context, t task) (task, error) {
	now, err := r.get(ctx, t.ID)
	if err != nil {
		return t, err
	}
	version, s := r.version(now.Spec.Template), now.Status
	t.State, t.Problem = running, s.Message
	switch {
	case s.Observed != "" && s.Observed != strconv.FormatInt(now.Metadata.Generation, 10): // the controller has not looked yet
	case s.Abort && s.Phase == "Degraded" && version != t.Note:
		t.State = succeeded // the stable version takes all requests
	case version != t.Note && !s.Abort:
		t.State, t.Problem = canceled, "somebody has set another version since: "+version
	case s.Phase == "Healthy" && s.Current == s.Stable:
		t.State = succeeded
	case s.Phase == "Degraded" && version == t.Note:
		t.State = failed
	}
	return t, nil
}

// cancel is never asked for: what runs here is the failed version's, or somebody else's.
func (r *argoRollouts) cancel(context.Context, task) error {
	return errors.New("unreachable: nothing of our own runs beside a rollback")
}
