# The Java client's example service. The context is the repository: tests/kubernetes/images.sh java
ARG MAVEN_BASE=docker.io/library/maven:3.9-eclipse-temurin-17
ARG JAVA_RUNTIME_BASE=docker.io/library/eclipse-temurin:17-jre

# hadolint ignore=DL3006
FROM ${MAVEN_BASE} AS build
WORKDIR /src/clients/java
# The dependencies and the messages, as a layer that the sources don't change.
COPY proto /src/proto
COPY clients/java/pom.xml ./
COPY clients/java/client/pom.xml client/
COPY clients/java/example/pom.xml example/
COPY clients/java/conformance/pom.xml conformance/
RUN mvn -B -q -Dmaven.test.skip package -pl example -am
COPY clients/java ./
RUN mvn -B -q -Dmaven.test.skip package -pl example -am
# Netty unpacks its native libraries into /tmp, which it can't where the root file system is read-only: unpacked here.
WORKDIR /out
RUN cp -r /src/clients/java/example/target/example.jar /src/clients/java/example/target/lib . \
    && jar -xf lib/grpc-netty-shaded-*.jar META-INF/native

# hadolint ignore=DL3006
FROM ${JAVA_RUNTIME_BASE}
COPY --from=build /out /app
USER 65532:65532
ENTRYPOINT ["java", "-XX:-UsePerfData", "-Djava.library.path=/app/META-INF/native", "-jar", "/app/example.jar"]
