package outbound

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// GraphQLError is one entry of errors[], which come with HTTP 200.
type GraphQLError struct {
	Message string
	Class   string // of New Relic: errorClass or error_code; empty where none was sent
	Path    []any
}

// UnmarshalJSON finds the class wherever it stands.
func (e *GraphQLError) UnmarshalJSON(b []byte) error {
	var in struct {
		Message    string         `json:"message"`
		Path       []any          `json:"path"`
		Code       string         `json:"error_code"`
		Extensions map[string]any `json:"extensions"`
	}
	if err := json.Unmarshal(b, &in); err != nil {
		return err
	}
	*e = GraphQLError{Message: in.Message, Class: in.Code, Path: in.Path}
	for _, name := range []string{"code", "errorCode", "error_code", "errorClass"} { // the last one that is there says most
		if text, ok := in.Extensions[name].(string); ok && text != "" {
			e.Class = text
		}
	}
	return nil
}

// GraphQLErrors are all entries of errors[]. Whatever came beside them is no whole answer.
type GraphQLErrors []GraphQLError

// Error gives every message with its class.
func (e GraphQLErrors) Error() string {
	parts := make([]string, len(e))
	for i, one := range e {
		parts[i] = Excerpt(one.Message)
		if one.Class != "" {
			parts[i] += " (" + one.Class + ")"
		}
	}
	slices.Sort(parts)
	return "answered an error: " + strings.Join(slices.Compact(parts), "; ")
}

// GraphQL makes one call. Errors inside HTTP 200 are GraphQLErrors; out is filled in with what came beside them. All other errors are
// those of JSON.
func GraphQL(ctx context.Context, c *http.Client, url string, header http.Header, query string, variables map[string]any, out any) error {
	in := struct {
		Query     string         `json:"query"`
		Variables map[string]any `json:"variables"`
	}{query, variables}
	var answer struct {
		Data   json.RawMessage `json:"data"`
		Errors GraphQLErrors   `json:"errors"`
	}
	if err := JSON(ctx, c, http.MethodPost, url, header, in, &answer); err != nil {
		return err
	}
	has := len(answer.Data) > 0 && string(answer.Data) != "null"
	if has {
		if err := json.Unmarshal(answer.Data, out); err != nil && len(answer.Errors) == 0 {
			return fmt.Errorf("answered no data that can be read: %w: %s", err, Excerpt(string(answer.Data)))
		}
	}
	switch {
	case len(answer.Errors) > 0:
		return answer.Errors
	case !has:
		return fmt.Errorf("answered neither data nor errors")
	}
	return nil
}
