/* Buckets: signatures against the examples of Amazon's documentation, and the XML of answers. */
#include <stdio.h>
#include <string.h>

#include "test.h"

#include "backup/bucket_xml.h"
#include "backup/store.h"
#include "base/memory.h"
#include "net/aws_signature.h"
#include "net/digest.h"

/* "Examples: Signature Calculations", Amazon S3 API Reference: the key, the moment (20130524T000000Z) and the answers are theirs. */
static void signatures(void **state) {
    (void)state;
    const struct aws_credentials credentials = {"AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
                                                NULL};
    static const struct {
        const char *url, *signature;
    } examples[] = {
        {"https://examplebucket.s3.amazonaws.com/?lifecycle",
         "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"},
        {"https://examplebucket.s3.amazonaws.com/?max-keys=2&prefix=J",
         "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
        {"https://examplebucket.s3.amazonaws.com/?prefix=J&max-keys=2",
         "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
        {"https://examplebucket.s3.amazonaws.com:443/?prefix=J&max-keys=2",
         "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"},
    };
    for (size_t i = 0; i < sizeof examples / sizeof *examples; i++) {
        const struct aws_request request = {
            .method = "GET", .url = examples[i].url, .region = "us-east-1", .service = "s3", .now = 1369353600};
        struct aws_headers headers;
        char expected[300];
        assert_int_equal(aws_sign(&credentials, &request, &headers, NULL), BN_OK);
        assert_string_equal(headers.lines[0], "x-amz-date: 20130524T000000Z");
        assert_string_equal(headers.lines[1], "x-amz-content-sha256: "
                                              "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        snprintf(expected, sizeof expected,
                 "Authorization: AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, "
                 "SignedHeaders=host;x-amz-content-sha256;x-amz-date, Signature=%s",
                 examples[i].signature);
        assert_string_equal(headers.lines[2], expected);
        assert_null(headers.lines[3]);
        aws_headers_release(&headers);
    }
}

static void refused_keys(void **state) {
    (void)state;
    static const struct aws_credentials bad[] = {
        {"", "secret", NULL}, {"key", "sec\nret", NULL}, {"key\r\nX: y", "secret", NULL}, {"key", "secret", "a b"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const struct aws_request request = {.method = "GET", .url = "https://a.b/", .region = "r", .service = "s3"};
        struct aws_headers headers;
        bn_error error = {0};
        assert_int_equal(aws_sign(&bad[i], &request, &headers, &error), BN_STATUS_BAD_ARGUMENT);
        assert_null(strstr(error.message, "secret"));
        aws_headers_release(&headers);
    }
}

/* RFC 4231, test cases 2 and 6 */
static void hmacs(void **state) {
    (void)state;
    uint8_t out[SHA256_BYTES], long_key[131];
    char hex[SHA256_HEX_SIZE];
    static const char text[] = "what do ya want for nothing?",
                      large[] = "Test Using Larger Than Block-Size Key - Hash Key First";
    assert_int_equal(hmac_sha256("Jefe", 4, text, sizeof text - 1, out, NULL), BN_OK);
    hex_text(out, sizeof out, hex);
    assert_string_equal(hex, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    memset(long_key, 0xaa, sizeof long_key);
    assert_int_equal(hmac_sha256(long_key, sizeof long_key, large, sizeof large - 1, out, NULL), BN_OK);
    hex_text(out, sizeof out, hex);
    assert_string_equal(hex, "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
}

/* ---- XML ---- */

static bn_status collect(void *context, const char *key, uint64_t size_bytes, bn_error *err) {
    (void)err;
    char *text = context;
    size_t n = strlen(text);
    snprintf(text + n, 200 - n, "%s %llu;", key, (unsigned long long)size_bytes);
    return BN_OK;
}

static bn_status list_of(const char *xml, char found[200], char **next) {
    found[0] = 0;
    return bucket_xml_list(xml, strlen(xml), collect, found, next, NULL);
}

static void lists(void **state) {
    (void)state;
    char found[200], *next;
    assert_int_equal(
        list_of("<?xml version=\"1.0\"?><ListBucketResult xmlns=\"x\"><Name>b</Name><IsTruncated>true</IsTruncated>"
                "<Contents><Key>a&amp;b</Key><Owner><ID>o</ID></Owner><Size>12</Size></Contents>"
                "<NextContinuationToken>t+/=&lt;</NextContinuationToken>"
                "<Contents><Key>c</Key><Size>0</Size></Contents></ListBucketResult>",
                found, &next),
        BN_OK);
    assert_string_equal(found, "a&b 12;c 0;");
    assert_string_equal(next, "t+/=<");
    mem_free(next);
    assert_int_equal(list_of("<ListBucketResult><IsTruncated>false</IsTruncated><NextContinuationToken>t"
                             "</NextContinuationToken></ListBucketResult>",
                             found, &next),
                     BN_OK);
    assert_null(next);
    static const char *const bad[] = {"",
                                      "x",
                                      "<html></html>",
                                      "<ListBucketResult>",
                                      "<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>",
                                      "<!DOCTYPE l [<!ENTITY a \"aaaa\">]><ListBucketResult></ListBucketResult>",
                                      ("<a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a><a></a></a></a></a></a></a></"
                                       "a></a></a></a></a></a></a></a></a></a></a>")};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_int_equal(list_of(bad[i], found, &next), BN_STATUS_BAD_FILE);
        assert_null(next);
    }
}

static void problems(void **state) {
    (void)state;
    static const char text[] = "<Error><Code>NoSuchKey</Code><Message>not there</Message><Region>r</Region></Error>";
    struct bucket_problem problem;
    bucket_xml_problem(text, sizeof text - 1, &problem);
    assert_string_equal(problem.code, "NoSuchKey");
    assert_string_equal(problem.message, "not there");
    assert_string_equal(problem.region, "r");
    bucket_xml_problem("<html>", 6, &problem);
    assert_string_equal(problem.code, "");
}

static void places(void **state) {
    (void)state;
    assert_true(is_bucket_place("s3://a/b"));
    assert_false(is_bucket_place("/s3://a/b") || is_bucket_place("s3:/a") || is_bucket_place(""));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(signatures), cmocka_unit_test(refused_keys), cmocka_unit_test(hmacs),
        cmocka_unit_test(lists),      cmocka_unit_test(problems),     cmocka_unit_test(places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
