package intake

import (
	"context"
	"encoding/json"
	"net/url"
	"time"
)

// argoCDList is the applications: each keeps how its last sync went, and the history of those that succeeded.
var argoCDList = listing{example: "https://argocd.example.com", header: bearer, list: listArgoCD}

func listArgoCD(ctx context.Context, l *lister, since time.Time) error {
	path := "/api/v1/applications"
	if len(l.Projects) > 0 {
		path += "?" + url.Values{"projects": l.Projects}.Encode()
	}
	var got struct {
		Items []map[string]json.RawMessage `json:"items"`
	}
	if err := l.get(ctx, path, &got); err != nil {
		return err
	}
	for _, item := range got.Items {
		if err := l.argoApp(item, since); err != nil {
			return err
		}
	}
	return nil
}

type argoState struct {
	OperationState *struct {
		Phase      string    `json:"phase"`
		StartedAt  time.Time `json:"startedAt"`
		FinishedAt time.Time `json:"finishedAt"`
	} `json:"operationState"`
	History []argoSync `json:"history"`
}

type argoSync struct {
	Revision        string          `json:"revision"`
	Revisions       []string        `json:"revisions"`
	DeployedAt      time.Time       `json:"deployedAt"`
	DeployStartedAt *time.Time      `json:"deployStartedAt"`
	InitiatedBy     json.RawMessage `json:"initiatedBy"`
}

// argoApp tells of the syncs of one application since: those of its history that succeeded, and the last one.
func (l *lister) argoApp(app map[string]json.RawMessage, since time.Time) error {
	var state argoState
	var meta struct {
		Name string `json:"name"`
		UID  string `json:"uid"`
	}
	if err := json.Unmarshal(app["metadata"], &meta); err != nil || meta.Name == "" {
		return unread("an application", err)
	}
	if err := json.Unmarshal(app["status"], &state); err != nil {
		return unread("the application "+meta.Name, err)
	}
	name := firstOf(meta.UID, meta.Name)
	for i, sync := range state.History {
		last := state.OperationState
		if sync.DeployStartedAt == nil || sync.DeployedAt.Before(since) || last != nil && last.StartedAt.Equal(*sync.DeployStartedAt) {
			continue
		}
		then, err := sync.of(app, state.History[:i+1])
		if err == nil {
			err = l.add(name+"/"+sync.DeployStartedAt.UTC().Format(time.RFC3339), nil, map[string]any{"app": then})
		}
		if err != nil {
			return err
		}
	}
	if op := state.OperationState; op != nil && (!op.FinishedAt.Before(since) || op.FinishedAt.IsZero() && !op.StartedAt.Before(since)) {
		return l.add(name+"/"+op.StartedAt.UTC().Format(time.RFC3339)+"/"+op.Phase, nil, map[string]any{"app": app})
	}
	return nil
}

// of is the application as it was after the sync.
func (s argoSync) of(app map[string]json.RawMessage, history []argoSync) (map[string]json.RawMessage, error) {
	status, err := json.Marshal(map[string]any{
		"history": history,
		"operationState": map[string]any{
			"phase": "Succeeded", "startedAt": s.DeployStartedAt, "finishedAt": s.DeployedAt, "syncResult": map[string]any{"revision": s.Revision, "revisions": s.Revisions},
			"operation": map[string]any{"initiatedBy": s.InitiatedBy},
		},
	})
	return map[string]json.RawMessage{"metadata": app["metadata"], "spec": app["spec"], "status": status}, err
}
