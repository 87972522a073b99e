package main

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"verifier"
)

func resultsCommand() *cobra.Command {
	c := &cobra.Command{
		Use:   "results {ID | SERVICE ENV} FILE...",
		Short: "Post results of tests that were run against a deploy",
		Long: `Post results of tests that were run against a deploy: JUnit XML or JSON; - is standard input. Several files, or a pattern in quotes like
'target/surefire-reports/TEST-*.xml', are posted together: with --name as one result, without it each under its own name.

SERVICE ENV stands for the newest verification there. Rules and gates can require the results by name.`,
		Example: "  verifier results checkout staging target/surefire-reports/TEST-*.xml --name smoke",
		Args:    cobra.MinimumNArgs(2),
		RunE: func(c *cobra.Command, args []string) error {
			place, patterns := resultsArgs(args)
			paths, err := filesOf(patterns)
			if err != nil {
				return err
			}
			in, err := reports(paths, c.InOrStdin())
			if err != nil {
				return err
			}
			ask, err := clientOf(c)
			if err != nil {
				return err
			}
			id, err := verificationID(c, ask, place)
			if err != nil {
				return err
			}
			q := url.Values{}
			if name, _ := c.Flags().GetString("name"); name != "" {
				q.Set("name", name)
			}
			var v verifier.Verification
			if err := ask.do(c.Context(), http.MethodPost, "/v1/verifications/"+url.PathEscape(id)+"/results?"+q.Encode(), in, &v); err != nil {
				return err
			}
			return printed(c, v, func(w io.Writer) { printResults(w, v) })
		},
	}
	addServerFlags(c)
	addTargetFlag(c)
	c.Flags().String("name", "", "which tests these are; default the name in each file")
	return c
}

// resultsArgs tells what names the verification from the files: the second argument is a file where it looks like one, else an environment.
func resultsArgs(args []string) (place, files []string) {
	if len(args) == 2 || args[1] == "-" || isPattern(args[1]) || slices.Contains([]string{".xml", ".json"}, strings.ToLower(filepath.Ext(args[1]))) {
		return args[:1], args[1:]
	}
	return args[:2], args[2:]
}

func isPattern(s string) bool { return strings.ContainsAny(s, "*?[") }

// filesOf are the files that were named; patterns that no shell has expanded are.
func filesOf(patterns []string) (paths []string, err error) {
	for _, pattern := range patterns {
		if _, err := os.Stat(pattern); err == nil || !isPattern(pattern) {
			paths = append(paths, pattern)
			continue
		}
		found, err := filepath.Glob(pattern)
		if err != nil {
			return nil, fmt.Errorf("%s is not a valid pattern: %w", pattern, err)
		}
		if len(found) == 0 {
			return nil, fmt.Errorf("no file matches %s", pattern)
		}
		paths = append(paths, found...)
	}
	return paths, nil
}

// reports is what is sent: the one file as it is, or a form with all of them.
func reports(paths []string, stdin io.Reader) (io.Reader, error) {
	if len(paths) == 1 {
		text, err := readReport(paths[0], stdin)
		return bytes.NewReader(text), err
	}
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for _, path := range paths {
		text, err := readReport(path, stdin)
		if err != nil {
			return nil, err
		}
		part, err := form.CreateFormFile("file", filepath.Base(path))
		if err == nil {
			_, err = part.Write(text)
		}
		if err != nil {
			return nil, err
		}
	}
	return &body, form.Close()
}

func readReport(path string, stdin io.Reader) ([]byte, error) {
	if path == "-" {
		return io.ReadAll(stdin)
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil, fmt.Errorf("read the results: %s is a folder; write '%s'", path, filepath.Join(path, "*.xml"))
	}
	text, err := os.ReadFile(path) //nolint:gosec // the file that was asked for
	if err != nil {
		return nil, fmt.Errorf("read the results: %w", err)
	}
	return text, nil
}
