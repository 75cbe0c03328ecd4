#!/bin/sh
# fetch_java.sh [DEST]: two mail servers written in Java, GreenMail and Apache James, for the tests: their jars from Maven
# Central, by Maven, into DEST (.servers/java), 130 MB. Nothing is installed.
# Where the machine has no Java 17 or no Maven, both come from Debian's packages, unpacked into the same folder.
set -eu
wanted="greenmail 2.1.3, james 3.8.1"
here=$(cd "$(dirname "$0")" && pwd)
dest=${1:-$here/../../.servers/java}
[ "$(cat "$dest/complete" 2>/dev/null)" = "$wanted" ] && [ -x "$dest/java" ] && exit 0
rm -rf "$dest"
mkdir -p "$dest/work" "$dest/james"
dest=$(cd "$dest" && pwd)
export DEBIAN_FRONTEND=noninteractive

unpack() { # PACKAGE: it and what this machine lacks for it, into $dest/root
    mkdir -p "$dest/work/debs/partial" "$dest/root"
    apt-get install -y -qq -d --no-install-recommends --reinstall -o Dir::Cache::archives="$dest/work/debs" \
        -o Debug::NoLocking=1 -o APT::Sandbox::User="" "$1" >/dev/null
    for deb in "$dest"/work/debs/*.deb; do
        case ${deb##*/} in
            openjdk*|maven*|lib*-java_*) dpkg -x "$deb" "$dest/root" ;;
        esac
    done
}

java=$(command -v java || true)
if [ -z "$java" ] || ! "$java" --version 2>/dev/null | grep -Eq '^[a-z]+ (1[7-9]|[2-9][0-9])'; then
    HOME=$dest unpack openjdk-17-jre-headless
    home=$(echo "$dest"/root/usr/lib/jvm/java-17-openjdk-*)
    # Debian's links lead to /etc, where nothing of it lies.
    for link in $(find "$home" -type l -lname '/etc/java-17-openjdk/*'); do
        target=$dest/root$(readlink "$link")
        rm "$link"
        cp -R "$target" "$link"
    done
    [ -e "$home/conf/security/java.security" ] || { rm -rf "$home/conf"; cp -R "$dest/root/etc/java-17-openjdk" "$home/conf"; }
    java=$home/bin/java
    # Java keeps its own list of authorities, which the package would have made of this machine's.
    python3 "$here/java_trust.py" "$dest/work/trust"
    trust="-Djavax.net.ssl.trustStore=$dest/work/trust -Djavax.net.ssl.trustStoreType=JKS -Djavax.net.ssl.trustStorePassword=changeit"
fi
ln -s "$(readlink -f "$java")" "$dest/java"

if command -v mvn >/dev/null && command -v java >/dev/null && [ -z "${trust:-}" ]; then
    maven() { mvn "$@"; }
else
    HOME=$dest unpack maven
    share=$dest/root/usr/share
    # What this machine has of it already was not fetched.
    for link in "$share"/maven/lib/*.jar "$share"/maven/boot/*.jar; do
        [ -e "$link" ] || ln -sf "/usr/share/java/$(basename "$(readlink "$link")")" "$link"
    done
    maven() {
        "$dest/java" ${trust:-} -classpath "$(echo "$share"/maven/boot/*.jar)" -Dmaven.home="$share/maven" \
            -Dmaven.conf="$dest/root/etc/maven" -Dclassworlds.conf="$dest/root/etc/maven/m2.conf" \
            -Dmaven.multiModuleProjectDirectory="$dest/work" org.codehaus.plexus.classworlds.launcher.Launcher "$@"
    }
fi

cat >"$dest/work/pom.xml" <<'POM'
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>postroom</groupId><artifactId>servers</artifactId><version>1</version>
  <dependencies><dependency>
    <groupId>org.apache.james</groupId><artifactId>james-server-memory-app</artifactId><version>3.8.1</version>
  </dependency></dependencies>
</project>
POM
cd "$dest/work"
maven -q -B -Dmaven.repo.local="$dest/work/repository" dependency:copy-dependencies -DincludeScope=runtime \
    -DoutputDirectory="$dest/james"
maven -q -B -Dmaven.repo.local="$dest/work/repository" dependency:copy \
    -Dartifact=com.icegreen:greenmail-standalone:2.1.3 -DoutputDirectory="$dest" -Dmdep.stripVersion=true
mv "$dest/greenmail-standalone.jar" "$dest/greenmail.jar"
cd /
rm -rf "$dest/work"
chmod -R a+rX "$dest"
echo "$wanted" >"$dest/complete"
