package sinks

import (
	"context"
	"fmt"
	"net/http"
	"net/url"

	"verifier"
	"verifier/outbound"
)

// GrafanaConfig is one Grafana server, and on which of its dashboards the annotations are; on all without one.
type GrafanaConfig struct {
	URL          string          `yaml:"url"`
	Token        outbound.Secret `yaml:"token"` // of a service account that may write annotations
	TokenFile    string          `yaml:"token_file"`
	DashboardUID string          `yaml:"dashboard_uid"`
	PanelID      int             `yaml:"panel_id"`
	Tags         []string        `yaml:"tags"` // besides verifier's own
}

// Grafana draws each verdict as a region from the deploy to the verdict.
type Grafana struct {
	url       string
	header    http.Header
	dashboard string
	panel     int
	tags      []string
	client    *http.Client
}

// NewGrafana makes the sink; it calls nobody.
func NewGrafana(c GrafanaConfig, rt http.RoundTripper) (*Grafana, error) {
	at, err := address("url", c.URL)
	if err != nil {
		return nil, err
	}
	token, err := outbound.ReadSecret(c.Token.Reveal(), c.TokenFile)
	switch {
	case err != nil:
		return nil, fmt.Errorf("token: %w", err)
	case token == "":
		return nil, verifier.Invalid("token", "is missing; write token_file with the token of a service account that may write annotations")
	case c.PanelID < 0:
		return nil, verifier.Invalid("panel_id", "%d is negative", c.PanelID)
	case c.PanelID > 0 && c.DashboardUID == "":
		return nil, verifier.Invalid("dashboard_uid", "is missing; panel_id is a panel of it")
	}
	return &Grafana{
		url: at + "/api/annotations", header: http.Header{"Authorization": {"Bearer " + token.Reveal()}}, dashboard: c.DashboardUID, panel: c.PanelID,
		tags: c.Tags, client: outbound.Client(rt, 0),
	}, nil
}

// Wants takes verdicts.
func (g *Grafana) Wants(s verifier.State) bool { return isVerdict(s) }

// annotation is Grafana's own.
type annotation struct {
	DashboardUID string   `json:"dashboardUID,omitempty"`
	PanelID      int      `json:"panelId,omitempty"`
	Time         int64    `json:"time"` // unix milliseconds
	TimeEnd      int64    `json:"timeEnd"`
	Tags         []string `json:"tags"`
	Text         string   `json:"text"`
}

// Write looks first whether the annotation is there: Grafana has no keys, and a lost answer must not make two of it.
func (g *Grafana) Write(ctx context.Context, o Order) (string, error) {
	id := "key:" + o.Key
	var there []struct{ ID int64 }
	query := url.Values{"tags": {id}, "limit": {"1"}, "type": {"annotation"}}
	if err := outbound.JSON(ctx, g.client, http.MethodGet, g.url+"?"+query.Encode(), g.header, nil, &there); err != nil {
		return "", fmt.Errorf("look for the annotation: %w", err)
	}
	if len(there) > 0 {
		return fmt.Sprintf("annotation %d is there", there[0].ID), nil
	}
	d := o.Verification.Deploy
	a := annotation{
		DashboardUID: g.dashboard, PanelID: g.panel, Time: d.At.UnixMilli(), TimeEnd: max(d.At.UnixMilli(), decided(o).UnixMilli()),
		Text: summary(o) + "\n" + o.URL,
		Tags: append([]string{"verifier", string(o.State), "service:" + d.Service, "environment:" + d.Environment, "version:" + d.Version, id}, g.tags...),
	}
	var made struct{ ID int64 }
	if err := outbound.JSON(ctx, g.client, http.MethodPost, g.url, g.header, a, &made); err != nil {
		return "", fmt.Errorf("write the annotation: %w", err)
	}
	return fmt.Sprintf("annotation %d", made.ID), nil
}
