#!/bin/sh
# build.sh FROM TO: fetches the libraries of FROM/pom.xml and compiles FROM/Launch.java, into the folder TO.
set -eu
from=$1 to=$2
rm -rf "$to"
mkdir -p "$to/lib" "$to/classes"
mvn -q -B -f "$from/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:2.8:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$to/lib" -Dproject.build.directory="$to/target"
rm -rf "$to/target"
javac -nowarn -cp "$to/lib/*" -d "$to/classes" "$from/Launch.java"
cat >"$to/log4j2.properties" <<END
status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %m%n
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
END
set -- "$to"/lib/transport-netty4-8*.jar
[ -e "$1" ] || exit 0
# Elasticsearch 8 loads its network from a module of its own.
module=$to/modules/transport-netty4
version=${1##*-}
version=${version%.jar}
mkdir -p "$module"
mv "$to"/lib/netty-*.jar "$1" "$module"
cat >"$module/plugin-descriptor.properties" <<END
description=Netty 4 based transport implementation
version=$version
name=transport-netty4
classname=org.elasticsearch.transport.netty4.Netty4Plugin
java.version=17
elasticsearch.version=$version
extended.plugins=
has.native.controller=false
END
