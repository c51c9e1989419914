// Command image_registry is an image registry that lets nobody read without a token for that repository, as Docker Hub does.
// It says its port, and ends after as many answers about manifests as the first argument says; without one it goes on.
package main

import (
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/google/go-containerregistry/pkg/registry"
)

// token is what reads of a scope have to show.
func token(scope string) string { return fmt.Sprintf("for-%x", scope) }

func main() {
	left := -1
	if len(os.Args) > 1 {
		var err error
		if left, err = strconv.Atoi(os.Args[1]); err != nil {
			log.Fatal(err)
		}
	}
	images := registry.New(registry.Logger(log.New(os.Stderr, "", 0)))
	http.HandleFunc("/token", func(answer http.ResponseWriter, request *http.Request) {
		fmt.Fprintf(answer, `{"token": %q}`, token(request.URL.Query().Get("scope")))
	})
	http.HandleFunc("/v2/", func(answer http.ResponseWriter, request *http.Request) {
		repository, _, ofManifest := strings.Cut(strings.TrimPrefix(request.URL.Path, "/v2/"), "/manifests/")
		reads := request.Method == http.MethodGet || request.Method == http.MethodHead
		if reads && request.Header.Get("Authorization") != "Bearer "+token("repository:"+repository+":pull") {
			answer.Header().Set("WWW-Authenticate", `Bearer realm="/token"`)
			http.Error(answer, `{"errors": [{"code": "UNAUTHORIZED"}]}`, http.StatusUnauthorized)
			return
		}
		if reads && ofManifest {
			if left == 0 {
				os.Exit(0)
			}
			left--
		}
		images.ServeHTTP(answer, request)
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(listener.Addr().(*net.TCPAddr).Port)
	log.Fatal(http.Serve(listener, nil))
}
