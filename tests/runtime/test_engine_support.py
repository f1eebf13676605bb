"""The shared fixtures do what they promise: an engine, an image by digest, a registry that keeps it."""


def test_the_test_server_runs_from_an_image_by_digest(docker_engine, server_image):
    name, _, digest = server_image.partition("@")
    assert digest.startswith("sha256:") and len(digest) == 71
    assert name.startswith("127.0.0.1:")
    pulled = docker_engine.images.pull(name, tag=digest)
    out = docker_engine.containers.run(pulled.id, ["python3", "-c", "print('runs')"], remove=True)
    docker_engine.images.remove(server_image)
    assert out == b"runs\n"
