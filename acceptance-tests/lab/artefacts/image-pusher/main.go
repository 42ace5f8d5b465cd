// Command image-pusher fills the lab's registry: with images assembled from folders, and with images from archives.
//
//	image-pusher push REGISTRY IMAGES.json   each entry of the file names a folder and what to call the image
//	image-pusher load REGISTRY PATH          an archive (docker or OCI) or an OCI layout, under the names it carries
//
// In the registry each image is kept below the name of the registry it stands in for: registry.k8s.io/pause:3.10.1 is
// REGISTRY/registry.k8s.io/pause:3.10.1.
package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "image-pusher:", err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if len(arguments) != 3 {
		return fmt.Errorf("expected: push|load REGISTRY PATH")
	}
	registry, path := arguments[1], arguments[2]
	switch arguments[0] {
	case "push":
		return pushAll(registry, path)
	case "load":
		return load(registry, path)
	default:
		return fmt.Errorf("unknown command %q", arguments[0])
	}
}

// inRegistry answers where an image of this name is kept in the lab's registry.
func inRegistry(registry, image string) (name.Reference, error) {
	reference, err := name.ParseReference(image)
	if err != nil {
		return nil, err
	}
	host := reference.Context().RegistryStr()
	if host == name.DefaultRegistry {
		host = "docker.io"
	}
	separator := ":"
	if strings.HasPrefix(reference.Identifier(), "sha256:") {
		separator = "@"
	}
	kept := registry + "/" + host + "/" + reference.Context().RepositoryStr() + separator + reference.Identifier()
	return name.ParseReference(kept, name.Insecure)
}
