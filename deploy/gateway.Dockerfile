# The gateway alone, without TensorFlow: docker build -f deploy/gateway.Dockerfile -t tsd-gateway .
FROM python:3.11-slim

WORKDIR /src
COPY pyproject.toml setup.py README.md LICENSE ./
COPY requirements/lock.txt requirements/lock.txt
# With the web page, if `make web` has built it.
COPY tsd_tf tsd_tf
# In the versions that are tested.
RUN pip install --no-cache-dir -c requirements/lock.txt '.[gateway]' && rm -rf /src

WORKDIR /
USER 10001:10001
EXPOSE 8500 8501 8502
ENTRYPOINT ["tsd-gateway"]
