#!/bin/sh
# make_arena_certs.sh DIRECTORY - chains of one to four certificates of each kind of key
#
# KIND-N.chain is what a server sends, leaf first, N certificates; KIND-N.key its key; roots.pem all
# roots, which are not sent. All of a kind share one key: what counts is how large they are.
set -eu
cd "$1"
names='subjectAltName=DNS:mail.example.org'
: >roots.pem

sign() { # NAME SUBJECT ISSUER KEY EXTENSIONS
    printf '%s\n' "$5" >"$1.ext"
    openssl req -new -key "$4" -subj "$2" |
        if [ "$3" = - ]; then
            openssl x509 -req -signkey "$4" -days 30 -extfile "$1.ext" -out "$1.pem"
        else
            openssl x509 -req -CA "$3.pem" -CAkey "$4" -set_serial "$((serial += 1))" -days 30 \
                -extfile "$1.ext" -out "$1.pem"
        fi
}

serial=1
for kind in rsa2048 rsa3072 rsa4096 p256 p384 p521; do
    case $kind in
    p256) openssl ecparam -name prime256v1 -genkey -noout -out "$kind.key" ;;
    p384) openssl ecparam -name secp384r1 -genkey -noout -out "$kind.key" ;;
    p521) openssl ecparam -name secp521r1 -genkey -noout -out "$kind.key" ;;
    *) openssl genrsa -out "$kind.key" "${kind#rsa}" ;;
    esac
    ca='basicConstraints=critical,CA:TRUE'
    sign "$kind-root" "/O=A rather long name of an organisation/CN=$kind root" - "$kind.key" "$ca"
    cat "$kind-root.pem" >>roots.pem
    above="$kind-root"
    : >"$kind-above"
    for n in 1 2 3 4; do
        sign "$kind-$n" '/CN=mail.example.org' "$above" "$kind.key" "$names"
        cat "$kind-$n.pem" "$kind-above" >"$kind-$n.chain"
        cp "$kind.key" "$kind-$n.key"
        sign "$kind-ca$n" "/O=A rather long name of an organisation/CN=$kind issuer $n" \
            "$above" "$kind.key" "$ca"
        cat "$kind-ca$n.pem" "$kind-above" >"$kind-more"
        mv "$kind-more" "$kind-above"
        above="$kind-ca$n"
    done
done
