package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/spf13/cobra"

	"verifier"
)

var orderShort = map[string]string{
	"approve":  "Approve a proposed rollback",
	"deny":     "Deny a proposed rollback",
	"rollback": "Roll back now, by hand",
	"cancel":   "End a watch, or the rollback of a failed one",
	"dismiss":  "Say that a verdict was wrong: the version is good",
}

// orderCommand is one of the words a person may say to a verification, named by its id or by its place.
func orderCommand(verb string) *cobra.Command {
	c := &cobra.Command{
		Use:   verb + " {ID | SERVICE ENV}",
		Short: orderShort[verb],
		Long:  orderShort[verb] + ".\n\nSERVICE ENV stands for the newest verification there; where the service has several targets, --target says which.",
		Args:  cobra.RangeArgs(1, 2),
		RunE: func(c *cobra.Command, args []string) error {
			ask, err := clientOf(c)
			if err != nil {
				return err
			}
			id, err := verificationID(c, ask, args)
			if err != nil {
				return err
			}
			reason, _ := c.Flags().GetString("reason")
			to, _ := c.Flags().GetString("to")
			var v verifier.Verification
			path := "/v1/verifications/" + url.PathEscape(id) + "/" + verb
			if err := ask.do(c.Context(), http.MethodPost, path, map[string]string{"reason": reason, "to": to}, &v); err != nil {
				return err
			}
			return printed(c, v, func(w io.Writer) { printVerdict(w, v) })
		},
	}
	addServerFlags(c)
	addTargetFlag(c)
	c.Flags().String("reason", "", "why, for the record")
	c.Flags().String("to", "", "version to go back to, where there are several")
	return c
}

func verificationID(c *cobra.Command, ask *client, args []string) (string, error) {
	if len(args) == 1 {
		return args[0], nil
	}
	v, err := newest(c.Context(), ask, placeQuery(c, args))
	if err != nil {
		return "", err
	}
	return v.ID, nil
}

// newest is the newest verification of a place.
func newest(ctx context.Context, ask *client, place url.Values) (verifier.Verification, error) {
	place.Set("newest", "true")
	var list struct{ Items []verifier.Verification }
	if err := ask.do(ctx, http.MethodGet, "/v1/verifications?"+place.Encode(), nil, &list); err != nil {
		return verifier.Verification{}, err
	}
	if len(list.Items) == 0 {
		return verifier.Verification{}, fmt.Errorf("no verification of %s is known", placeText(place))
	}
	return list.Items[0], nil
}

func markCommand() *cobra.Command {
	c := &cobra.Command{
		Use:     "mark {good | bad} {DEPLOY | SERVICE ENV}",
		Short:   "Say what a deploy really was",
		Long:    "Say what a deploy really was.\n\nSERVICE ENV stands for the newest deploy there; where the service has several targets, --target says which.",
		Example: "  verifier mark bad checkout production --cause 'prices were wrong, with status 200'",
		Args:    cobra.RangeArgs(2, 3),
		RunE:    mark,
	}
	addServerFlags(c)
	addTargetFlag(c)
	c.Flags().String("cause", "", "what you saw")
	return c
}

func mark(c *cobra.Command, args []string) error {
	if args[0] != "good" && args[0] != "bad" {
		return fmt.Errorf("mark %q: write good or bad", args[0])
	}
	cause, _ := c.Flags().GetString("cause")
	if cause == "" {
		return errors.New("--cause is missing: say what you saw")
	}
	ask, err := clientOf(c)
	if err != nil {
		return err
	}
	id := args[1]
	if len(args) == 3 {
		if id, err = newestDeploy(c.Context(), ask, placeQuery(c, args[1:])); err != nil {
			return err
		}
	}
	var d verifier.Deploy
	body := map[string]any{"good": args[0] == "good", "cause": cause}
	if err := ask.do(c.Context(), http.MethodPost, "/v1/deploys/"+url.PathEscape(id)+"/mark", body, &d); err != nil {
		return err
	}
	return printed(c, d, func(w io.Writer) {
		fmt.Fprintf(w, "%s %s in %s is marked %s\n", d.Service, d.Version, d.Where(), args[0])
	})
}

// newestDeploy is the id of the newest deploy of a place.
func newestDeploy(ctx context.Context, ask *client, place url.Values) (string, error) {
	place.Set("newest", "true")
	var list struct{ Items []verifier.Deploy }
	if err := ask.do(ctx, http.MethodGet, "/v1/deploys?"+place.Encode(), nil, &list); err != nil {
		return "", err
	}
	if len(list.Items) == 0 {
		return "", fmt.Errorf("no deploy of %s is known", placeText(place))
	}
	return list.Items[0].ID, nil
}
