package main

import (
	"archive/tar"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// Annotations that carry an image's name in an OCI layout, the most telling first.
var nameAnnotations = []string{"io.containerd.image.name", "org.opencontainers.image.ref.name"}

func load(registry, path string) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	if info.IsDir() {
		return loadLayout(registry, path)
	}
	open := func() (io.ReadCloser, error) { return os.Open(path) }
	manifest, err := tarball.LoadManifest(open)
	if err != nil {
		return loadLayoutArchive(registry, path)
	}
	for _, entry := range manifest {
		for _, tag := range entry.RepoTags {
			if err := loadTag(registry, open, tag); err != nil {
				return fmt.Errorf("%s: %w", tag, err)
			}
		}
	}
	return nil
}

func loadTag(registry string, open tarball.Opener, tag string) error {
	wanted, err := name.NewTag(tag)
	if err != nil {
		return err
	}
	found, err := tarball.Image(open, &wanted)
	if err != nil {
		return err
	}
	target, err := inRegistry(registry, tag)
	if err != nil {
		return err
	}
	fmt.Println(tag)
	return remote.Write(target, found)
}

func loadLayout(registry, path string) error {
	index, err := layout.ImageIndexFromPath(path)
	if err != nil {
		return err
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		return err
	}
	for _, descriptor := range manifest.Manifests {
		image, err := annotatedName(descriptor)
		if err != nil {
			return err
		}
		target, err := inRegistry(registry, image)
		if err != nil {
			return fmt.Errorf("%s: %w", image, err)
		}
		if err := writeFromIndex(target, index, descriptor); err != nil {
			return fmt.Errorf("%s: %w", image, err)
		}
		fmt.Println(image)
	}
	return nil
}

func annotatedName(descriptor v1.Descriptor) (string, error) {
	for _, key := range nameAnnotations {
		if value := descriptor.Annotations[key]; value != "" {
			return value, nil
		}
	}
	return "", fmt.Errorf("%s carries no name", descriptor.Digest)
}

func writeFromIndex(target name.Reference, index v1.ImageIndex, descriptor v1.Descriptor) error {
	if descriptor.MediaType.IsIndex() {
		nested, err := index.ImageIndex(descriptor.Digest)
		if err != nil {
			return err
		}
		return remote.WriteIndex(target, nested)
	}
	image, err := index.Image(descriptor.Digest)
	if err != nil {
		return err
	}
	return remote.Write(target, image)
}

// loadLayoutArchive unpacks an OCI layout that comes as a tar archive.
func loadLayoutArchive(registry, path string) error {
	folder, err := os.MkdirTemp("", "image-pusher-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(folder)
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	defer root.Close()
	tape := tar.NewReader(file)
	for {
		header, err := tape.Next()
		if errors.Is(err, io.EOF) {
			return loadLayout(registry, folder)
		}
		if err != nil {
			return err
		}
		if header.Typeflag == tar.TypeReg {
			if err := unpack(root, filepath.Clean(header.Name), tape); err != nil {
				return err
			}
		}
	}
}

func unpack(root *os.Root, name string, content io.Reader) error {
	if err := root.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	file, err := root.Create(name)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.Copy(file, content)
	return err
}
