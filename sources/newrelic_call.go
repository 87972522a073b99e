package sources

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"verifier"
	"verifier/outbound"
)

// nerdGraph is New Relic's GraphQL API, for one account.
type nerdGraph struct {
	url, host string
	key       outbound.Secret
	account   int
	client    *http.Client
	patience  time.Duration // New Relic's own, with one query
}

// nrqlAnswer is what was said to one query. It is read by many and not to be changed.
type nrqlAnswer struct {
	result nrqlResult
	err    error
}

// nrqlResult is NerdGraph's NrdbResultContainer, as far as it is needed. otherResult and totalResult are an object, an array or null.
type nrqlResult struct {
	Results     []map[string]any `json:"results"`
	OtherResult any              `json:"otherResult"`
	TotalResult any              `json:"totalResult"`
	Metadata    *struct {
		Facets   []string `json:"facets"`
		Messages []string `json:"messages"`
	} `json:"metadata"`
	Progress *nrqlProgress `json:"queryProgress"`
}

type nrqlProgress struct {
	Completed     bool    `json:"completed"`
	QueryID       string  `json:"queryId"`
	RetryAfter    float64 `json:"retryAfter"`    // seconds
	RetryDeadline float64 `json:"retryDeadline"` // seconds
}

func (r nrqlResult) pending() bool { return r.Progress != nil && !r.Progress.Completed }

const nrqlFields = ` {
        results
        otherResult
        totalResult
        metadata {
          eventTypes
          facets
          messages
          timeWindow { begin compareWith end since until }
        }
        queryProgress { completed queryId retryAfter resultExpiration retryDeadline }
      }`

// nrqlDocument asks all texts at once: a single one as New Relic's own client does, several by aliases. The texts are variables only.
func (n nerdGraph) nrqlDocument(texts []string) (document string, variables map[string]any, aliases []string) {
	variables = map[string]any{"accountId": n.account, "timeout": int(max(n.patience, time.Second) / time.Second), "async": true}
	declared, asked := "", ""
	for i, text := range texts {
		variable, alias := "query", ""
		if len(texts) > 1 {
			variable = fmt.Sprintf("q%d", i)
			alias = variable + ": "
		}
		variables[variable] = text
		declared += "$" + variable + ": Nrql!, "
		asked += "\n      " + alias + "nrql(query: $" + variable + ", timeout: $timeout, async: $async)" + nrqlFields
		aliases = append(aliases, strings.TrimSuffix(alias, ": "))
	}
	if len(texts) == 1 {
		aliases[0] = "nrql"
	}
	return "query(" + declared + "$accountId: Int!, $timeout: Seconds, $async: Boolean) {\n  actor {\n    account(id: $accountId) {" + asked + "\n    }\n  }\n}", variables, aliases
}

// ask makes the call and follows what is not ready yet. A query that fails does not take the others of its document with it.
func (n nerdGraph) ask(ctx context.Context, texts []string) []nrqlAnswer {
	document, variables, aliases := n.nrqlDocument(texts)
	said, err := n.post(ctx, document, variables)
	var refused outbound.GraphQLErrors
	if err != nil && !errors.As(err, &refused) {
		return eachFailed(texts, n.trouble(err))
	}
	out := make([]nrqlAnswer, len(texts))
	for i, alias := range aliases {
		if own := about(refused, alias); len(own) > 0 {
			out[i].err = n.trouble(own)
			if len(texts) > 1 && n.blames(own) {
				out[i] = n.ask(ctx, texts[i:i+1])[0] // another query of the document may be the wrong one
			}
			continue
		}
		out[i] = n.follow(ctx, said[alias])
	}
	return out
}

// about are the errors that concern the alias: those with its path, and those without any.
func about(all outbound.GraphQLErrors, alias string) outbound.GraphQLErrors {
	var own outbound.GraphQLErrors
	for _, e := range all {
		if i := slices.IndexFunc(e.Path, func(p any) bool { return p == "account" }); i < 0 || i+1 >= len(e.Path) || e.Path[i+1] == alias {
			own = append(own, e)
		}
	}
	return own
}

// blames reports whether the errors name no query, and are about what was written.
func (n nerdGraph) blames(own outbound.GraphQLErrors) bool {
	var failure *verifier.SourceError
	return errors.As(n.trouble(own), &failure) && failure.Reason == verifier.BadData &&
		slices.ContainsFunc(own, func(e outbound.GraphQLError) bool { return len(e.Path) < 3 })
}

func eachFailed(texts []string, err error) []nrqlAnswer {
	out := make([]nrqlAnswer, len(texts))
	for i := range out {
		out[i].err = err
	}
	return out
}

// post gives the results by alias. GraphQLErrors come with those that are there all the same.
func (n nerdGraph) post(ctx context.Context, document string, variables map[string]any) (map[string]*nrqlResult, error) {
	var data struct {
		Actor struct {
			Account map[string]*nrqlResult `json:"account"`
		} `json:"actor"`
	}
	header := http.Header{"Api-Key": {n.key.Reveal()}}
	err := outbound.GraphQL(ctx, n.client, n.url, header, document, variables, &data)
	return data.Actor.Account, err
}

const progressDocument = `query($accountId: Int!, $queryId: ID!) {
  actor {
    account(id: $accountId) {
      nrqlQueryProgress(queryId: $queryId)` + nrqlFields + `
    }
  }
}`

// mostPolls bounds how often one query is asked about. The context's deadline usually comes first.
const mostPolls = 60

// follow asks about a query that goes on until it is completed.
func (n nerdGraph) follow(ctx context.Context, r *nrqlResult) nrqlAnswer {
	for range mostPolls {
		switch {
		case r == nil:
			return nrqlAnswer{err: n.badAnswer("New Relic gives no result for the query")}
		case !r.pending():
			return nrqlAnswer{result: *r}
		case r.Progress.QueryID == "":
			return nrqlAnswer{err: n.badAnswer("New Relic says that the query goes on, and not under which id")}
		}
		id, wait := r.Progress.QueryID, time.Duration(min(max(r.Progress.RetryAfter, 0.1), 10)*float64(time.Second))
		select {
		case <-ctx.Done():
			return nrqlAnswer{err: n.trouble(fmt.Errorf("the query is not ready in time: %w", ctx.Err()))}
		case <-time.After(wait):
		}
		said, err := n.post(ctx, progressDocument, map[string]any{"accountId": n.account, "queryId": id})
		if err != nil {
			return nrqlAnswer{err: n.trouble(err)}
		}
		if r = said["nrqlQueryProgress"]; r != nil && r.pending() && r.Progress.QueryID == "" {
			r.Progress.QueryID = id
		}
	}
	return nrqlAnswer{err: down(fmt.Errorf("ask %s: the query was not ready after %d looks", n.host, mostPolls))}
}

func (n nerdGraph) badAnswer(format string, args ...any) error {
	return &verifier.SourceError{Reason: verifier.BadData, Err: fmt.Errorf("ask %s: "+format, append([]any{n.host}, args...)...)}
}

// trouble says what a failed call means.
func (n nerdGraph) trouble(err error) error {
	var known *verifier.SourceError
	if errors.As(err, &known) {
		return err
	}
	out := &verifier.SourceError{Reason: verifier.SourceDown, Err: fmt.Errorf("ask %s: %w", n.host, outbound.Redact(err))}
	var refused outbound.GraphQLErrors
	var status *outbound.StatusError
	var later *verifier.TemporaryError
	switch {
	case errors.As(err, &refused):
		n.refusal(out, refused)
	case errors.As(err, &later):
		out.After = later.After
	case errors.As(err, &status):
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
	default: // an answer that is none
		out.Reason = verifier.BadData
	}
	return out
}

// nrLeaveAlone is for how long New Relic is left alone when it says that too much was asked, and not for how long.
const nrLeaveAlone = 15 * time.Second

// refusal reads errors[]. https://docs.newrelic.com/docs/apis/nerdgraph/get-started/introduction-new-relic-nerdgraph/
func (n nerdGraph) refusal(out *verifier.SourceError, all outbound.GraphQLErrors) {
	for _, e := range all {
		class := strings.ToUpper(e.Class)
		text := strings.ToUpper(e.Message)
		switch {
		case class == "TOO_MANY_REQUESTS":
			out.After = nrLeaveAlone
		case strings.Contains(class, "TIMEOUT"), strings.Contains(class, "SERVER_ERROR"), strings.Contains(class, "UNAVAILABLE"):
		case isKeyProblem(class, text): // not the question's fault: it can be asked when the key is mended
		case strings.Contains(text, "NRQL SYNTAX ERROR"), strings.Contains(class, "SYNTAX"):
			out.Reason, out.Permanent = verifier.BadData, true
			return
		default:
			out.Reason = verifier.BadData
		}
	}
}

func isKeyProblem(class, text string) bool {
	return strings.Contains(class, "API_KEY") || strings.Contains(class, "AUTH") || strings.Contains(class, "ACCESS_DENIED") ||
		strings.Contains(class, "FORBIDDEN") || strings.Contains(text, "API KEY")
}

// paneOf is the query builder's state with the query in it, as its own permalinks carry it.
func paneOf(account int, text string) string {
	pane := map[string]any{
		"nerdletId": "data-exploration.query-builder", "initialActiveInterface": "nrqlEditor",
		"initialQueries": []any{map[string]any{"accountId": account, "nrql": text}},
	}
	b, _ := json.Marshal(pane) // unreachable error: plain texts
	return base64.StdEncoding.EncodeToString(b)
}
