# llama.cpp's server in a container: a base with Python, xllamacpp copied in, and llama.py. No network while it builds.
# The context has site/: the unpacked wheel of xllamacpp, and in site/lib the library libgomp.so.1 where the base has none.
ARG BASE
FROM ${BASE}
COPY site /opt/serving
COPY llama.py /opt/serving/llama.py
# Compiled here because the container's root is read-only.
RUN ["python3", "-m", "compileall", "-q", "--invalidation-mode", "unchecked-hash", "/opt/serving"]
ENV PYTHONPATH=/opt/serving LD_LIBRARY_PATH=/opt/serving/lib PYTHONDONTWRITEBYTECODE=1 HOME=/tmp
USER 65534:65534
EXPOSE 8080
CMD ["python3", "/opt/serving/llama.py", "--help"]
