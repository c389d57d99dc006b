#!/bin/sh
# make_certs.sh DIRECTORY - certificates for test_tls: a root, an intermediate, and servers good and bad
#
# NAME.pem is a certificate, NAME.key its key, NAME.chain what a server sends. NAME.pins holds the
# fingerprint of the certificate as openssl prints it and the digest of the key in base64.
set -eu
cd "$1"

key() { # NAME KIND
    case $2 in
    p256) openssl ecparam -name prime256v1 -genkey -noout -out "$1.key" ;;
    p384) openssl ecparam -name secp384r1 -genkey -noout -out "$1.key" ;;
    p521) openssl ecparam -name secp521r1 -genkey -noout -out "$1.key" ;;
    *) openssl genrsa -out "$1.key" "$2" ;;
    esac
}

ca() { # NAME SUBJECT ISSUER [OPTION...]: ISSUER - for self-signed
    name=$1 subject=$2 issuer=$3
    shift 3
    printf 'basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n' >"$name.ext"
    sign "$name" "$subject" "$issuer" "$@"
    pins "$name"
}

pins() { # NAME
    openssl x509 -in "$1.pem" -noout -fingerprint -sha256 >"$1.pins"
    openssl x509 -in "$1.pem" -noout -pubkey | openssl pkey -pubin -outform DER |
        openssl dgst -sha256 -binary | openssl base64 >>"$1.pins"
}

server() { # NAME SUBJECT ISSUER NAMES [OPTION...]
    name=$1 subject=$2 issuer=$3
    printf 'basicConstraints=CA:FALSE\n%s\n' "$4" >"$name.ext"
    shift 4
    sign "$name" "$subject" "$issuer" "$@"
    cat "$name.pem" >"$name.chain"
    pins "$name"
}

sign() { # NAME SUBJECT ISSUER [OPTION...]
    name=$1 subject=$2 issuer=$3
    shift 3
    openssl req -new -utf8 -key "$name.key" -subj "$subject" -out "$name.csr"
    if [ "$issuer" = - ]; then
        openssl x509 -req -in "$name.csr" -signkey "$name.key" -days 30 -extfile "$name.ext" \
            -out "$name.pem" "$@"
    else
        openssl x509 -req -in "$name.csr" -CA "$issuer.pem" -CAkey "$issuer.key" -CAcreateserial \
            -days 30 -extfile "$name.ext" -out "$name.pem" "$@"
    fi
}

names='subjectAltName=DNS:mail.example.org,DNS:*.wild.example,IP:127.0.0.1,IP:2001:db8::25'
cn='/CN=mail.example.org'

key root p256
ca root '/O=Test/CN=Test Root' -
key old p256 # a root that signed itself with SHA-1, as old ones did
ca old '/CN=Old Root' - -sha1
key inter p384
ca inter '/CN=Test Intermediate' root

key leaf p256
server leaf "$cn" root "$names"
key below p256
server below "$cn" inter "$names"
cat inter.pem >>below.chain
key aged 2048
server aged "$cn" old "$names"
key weak p256 # signed with SHA-1
server weak "$cn" root "$names" -sha1
key self p256
server self '/C=DE/O=Café "x"/CN=self.example' - 'subjectAltName=DNS:self.example'
key plain 2048 # no alternative names: the common name counts
server plain '/CN=plain.example' root ''
key tiny 1024
server tiny '/CN=tiny.example' - 'subjectAltName=DNS:tiny.example'
# The genuine intermediate's name, with another key.
key fake p384
ca fake '/CN=Test Intermediate' -
key forged p256
server forged "$cn" fake "$names"
cat inter.pem >>forged.chain

# Below the intermediate: another's, one of a customer of that CA, one that is over, one for clients.
key other p256
server other '/CN=other.example' inter 'subjectAltName=DNS:other.example'
cat inter.pem >>other.chain
key misled p256 # signed with the key of a certificate that is no CA's
server misled "$cn" other "$names"
cat other.pem inter.pem >>misled.chain
key over p256
server over "$cn" inter "$names" -days -1
cat inter.pem >>over.chain
key clients p256
server clients "$cn" inter "$names
extendedKeyUsage=clientAuth"
cat inter.pem >>clients.chain
key alone p256 # its intermediate is not sent
server alone "$cn" inter "$names"
key ecbig p521
server ecbig "$cn" root "$names"

# For a server: what it may be given, and what not.
key ec384 p384
server ec384 '/CN=ec384.example' - ''
key client p256 # of a client; with a key of a kind of its own
server client '/CN=client.example' - ''
key rsaclient 2048
server rsaclient '/CN=rsaclient.example' - ''
openssl pkcs8 -topk8 -nocrypt -in aged.key -out aged.pkcs8
openssl pkcs8 -topk8 -in leaf.key -out locked.pkcs8 -passout pass:x
openssl rsa -aes128 -in aged.key -out locked.key -passout pass:x -traditional
openssl genpkey -algorithm ed25519 -out edwards.key
server edwards '/CN=edwards.example' - ''
openssl ecparam -name secp521r1 -genkey -noout -out ec521.key

# As large as it gets: four certificates with keys of 4096 bits.
key big 4096
key bigroot 4096
for n in 1 2; do cp bigroot.key "big$n.key"; done
ca bigroot '/CN=Big Root' -
ca big1 '/CN=Big Intermediate 1' bigroot
ca big2 '/CN=Big Intermediate 2' big1
server big "$cn" big2 "$names"
cat big2.pem big1.pem bigroot.pem >>big.chain
# As long as one handshake message may be, and longer.
cat big.chain big.chain big2.pem big1.pem >long.chain
cp big.key long.key
for n in 1 2 3 4 5 6 7 8 9 10 11 12; do cat big.chain; done >huge.chain
cp big.key huge.key

{
    echo 'text between certificates is allowed'
    cat root.pem old.pem
    echo '-----BEGIN CERTIFICATE-----'
    echo 'bm90IGEgY2VydGlmaWNhdGU='
    echo '-----END CERTIFICATE-----'
    cat bigroot.pem
} >ca.bundle
